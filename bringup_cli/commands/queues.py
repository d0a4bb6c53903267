"""``bringup queues``: how full the queues are, and what became of jobs that no worker can read."""

import click

from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.wire.operator import JobRequest, QuarantinedJob, QueueList
from bringup_cli.context import Context
from bringup_cli.output import Output, output_option, say, show_json, show_table


def _client(context: Context) -> ApiClient:
    return ApiClient(context.settings, tls.ClientContexts())


@click.group(invoke_without_command=True)
@output_option
@click.pass_context
def queues(context: click.Context, output: Output) -> None:
    """Show the queues, and the jobs in quarantine: those that no worker can read or may run."""
    if context.invoked_subcommand is None:
        _show(_client(context.obj).get("/queues", QueueList), output)


def _show(found: QueueList, output: Output) -> None:
    if output == "json":
        show_json(found.model_dump(mode="json"))
        return
    show_table(
        "Queues",
        ("Queue", "Queued", "Started", "Scheduled", "Failed", "Quarantined"),
        [(q.name, q.queued, q.started, q.scheduled, q.failed, q.quarantined) for q in found.queues],
    )
    if found.quarantine:
        show_table(
            "Quarantine, oldest first",
            ("Job", "Queue", "Since", "Reason"),
            [(job.job_id, job.queue, job.at.isoformat(timespec="seconds"), job.reason) for job in found.quarantine],
        )
        say("To put one back: bringup queues requeue JOB_ID; to delete it: bringup queues discard JOB_ID")


@queues.command()
@click.argument("job_id")
@click.pass_obj
def requeue(context: Context, job_id: str) -> None:
    """Put a job in quarantine back on its queue."""
    job = _client(context).post("/queues/requeue", JobRequest(job_id=job_id), QuarantinedJob)
    say(f"Job {job.job_id} is on the queue {job.queue} again")


@queues.command()
@click.argument("job_id")
@click.pass_obj
def discard(context: Context, job_id: str) -> None:
    """Delete a job in quarantine for good."""
    job = _client(context).post("/queues/discard", JobRequest(job_id=job_id), QuarantinedJob)
    say(f"Job {job.job_id} of the queue {job.queue} is deleted")
