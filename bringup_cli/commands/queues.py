"""``bringup queues``: how full the queues are, and the jobs that no worker can read or may run."""

import click

from bringup.wire.operator import JobRequest, QuarantinedJob, QueueList
from bringup_cli.context import Context
from bringup_cli.output import Output, output_option, print_line, print_model, print_table


@click.group(invoke_without_command=True)
@output_option
@click.pass_context
def queues(context: click.Context, output: Output) -> None:
    """Show the queues, and the jobs in quarantine: those that no worker can read or may run."""
    if context.invoked_subcommand is None:
        _show(context.obj.api().get("/queues", QueueList), output)


def _show(found: QueueList, output: Output) -> None:
    if output == "json":
        print_model(found)
        return
    print_table(
        "Queues",
        ("Queue", "Queued", "Started", "Scheduled", "Failed", "Quarantined"),
        [(q.name, q.queued, q.started, q.scheduled, q.failed, q.quarantined) for q in found.queues],
    )
    if found.quarantine:
        print_table(
            "Quarantine, oldest first",
            ("Job", "Queue", "Since", "Reason"),
            [(job.job_id, job.queue, job.at.isoformat(timespec="seconds"), job.reason) for job in found.quarantine],
        )
        print_line("To put one back: bringup queues requeue JOB_ID; to delete it: bringup queues discard JOB_ID")


@queues.command()
@click.argument("job_id")
@output_option
@click.pass_obj
def requeue(context: Context, job_id: str, output: Output) -> None:
    """Put a job in quarantine back on its queue."""
    job = context.api().post("/queues/requeue", JobRequest(job_id=job_id), QuarantinedJob)
    print_model(job, output, f"Job {job.job_id} is on the queue {job.queue} again")


@queues.command()
@click.argument("job_id")
@output_option
@click.pass_obj
def discard(context: Context, job_id: str, output: Output) -> None:
    """Delete a job in quarantine for good."""
    job = context.api().post("/queues/discard", JobRequest(job_id=job_id), QuarantinedJob)
    print_model(job, output, f"Job {job.job_id} of the queue {job.queue} is deleted")
