"""``bringup queues``: how full the queues are, who serves them, and the jobs in quarantine."""

import click

from bringup.wire.actions import OperatorAction
from bringup.wire.operator import QueueList
from bringup_cli.bulk import act, dry_run_option
from bringup_cli.context import Output, output_option, print_line, print_model, print_table


@click.group(invoke_without_command=True)
@output_option
@click.pass_context
def queues(context: click.Context, output: Output) -> None:
    """Show the queues: jobs, age of the oldest, workers; and the jobs that no worker can read or may run."""
    if context.invoked_subcommand is None:
        _show(context.obj.api().get("/queues", QueueList), output)


def _show(found: QueueList, output: Output) -> None:
    if output == "json":
        print_model(found)
        return
    print_table(
        "Queues",
        ("Queue", "Queued", "Oldest waits s", "Started", "Scheduled", "Failed", "Quarantined", "Workers"),
        [
            (q.name, q.queued, _seconds(q.oldest_s), q.started, q.scheduled, q.failed, q.quarantined, q.workers)
            for q in found.queues
        ],
    )
    if found.tailers:
        print_table(
            "Tailers",
            ("Host", "File", "Source", "Silent for s", "Behind for s", "Problem"),
            [(t.host, t.path, t.source, _seconds(t.silent_s), _seconds(t.behind_s), t.problem) for t in found.tailers],
        )
    if found.quarantine:
        print_table(
            "Quarantine, oldest first",
            ("Job", "Queue", "Since", "Reason"),
            [(job.job_id, job.queue, job.at.isoformat(timespec="seconds"), job.reason) for job in found.quarantine],
        )
        print_line("To put one back: bringup queues requeue JOB_ID; to delete it: bringup queues discard JOB_ID")


def _seconds(number: float | None) -> str | None:
    return None if number is None else f"{number:.0f}"


@queues.command()
@click.argument("job_ids", metavar="JOB_ID...", nargs=-1, required=True)
@dry_run_option
@output_option
@click.pass_context
def requeue(context: click.Context, job_ids: tuple[str, ...], output: Output, *, dry_run: bool) -> None:
    """Put jobs in quarantine back on their queue."""
    act(context, OperatorAction.REQUEUE, job_ids, output, dry_run=dry_run)


@queues.command()
@click.argument("job_ids", metavar="JOB_ID...", nargs=-1, required=True)
@dry_run_option
@output_option
@click.pass_context
def discard(context: click.Context, job_ids: tuple[str, ...], output: Output, *, dry_run: bool) -> None:
    """Delete jobs in quarantine for good."""
    act(context, OperatorAction.DISCARD, job_ids, output, dry_run=dry_run)
