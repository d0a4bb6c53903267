"""``bringup runs``, ``bringup run`` and ``bringup queues``: every run and its history, and the jobs behind them."""

import sys

import click
from pydantic import AwareDatetime

from bringup.wire.message import Message
from bringup.wire.operator import AbortRequest, JobRequest, QuarantinedJob, QueueList
from bringup.wire.run import Run, RunDetail, RunList
from bringup_cli.context import Context
from bringup_cli.output import Output, output_option, print_json, print_line, print_model, print_table


class _RunLine(Message):
    """What the table shows of a run: to read all else of ten thousand, their verdicts above all, takes a second."""

    run_id: str
    device: str
    state: str
    reason: str | None = None
    detail: str = ""
    created_at: AwareDatetime
    updated_at: AwareDatetime
    ended_at: AwareDatetime | None = None


class _RunLines(Message):
    runs: tuple[_RunLine, ...]


@click.command()
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000), help="How many of the newest.")
@output_option
@click.pass_obj
def runs(context: Context, limit: int, output: Output) -> None:
    """List runs, newest first."""
    path = f"/runs?limit={limit}"
    if output == "json":
        print_json(context.api().get(path, RunList).model_dump(mode="json")["runs"])
        return
    found = context.api().get(path, _RunLines)
    print_table(
        "Runs, newest first",
        ("Run", "Device", "State", "Reason", "Seconds", "Detail"),
        [(r.run_id, r.device, r.state, r.reason, seconds_of(r), r.detail) for r in found.runs],
    )


@click.group()
def run() -> None:
    """Show one run, or end it."""


@run.command("show")
@click.argument("run_id")
@output_option
@click.pass_obj
def run_show(context: Context, run_id: str, output: Output) -> None:
    """Show a run: its state, the reason, and everything that happened in it."""
    found = context.api().get(f"/runs/{run_id}", RunDetail)
    if output == "json":
        print_model(found)
        return
    reason = f" ({found.reason}: {found.detail})" if found.reason else f" ({found.detail})" if found.detail else ""
    print_line(f"Run {found.run_id} of {found.device}: {found.state}{reason}")
    start = found.created_at
    print_table(
        "Timeline",
        ("Time", "+ s", "What", "State", "By", "Detail"),
        [
            (
                e.at.isoformat(timespec="milliseconds"),
                f"{(e.at - start).total_seconds():.1f}",
                e.type if e.applied else f"{e.type} (not applied)",
                e.state,
                f"{e.by} ({e.address})" if e.by else "",
                e.detail,
            )
            for e in found.timeline
        ],
    )
    if found.verdict:
        print_table(
            f"Verdict: {found.verdict.state}",
            ("Check", "Status", "Expected", "Found"),
            [(c.name, c.status, c.expected, c.observed) for c in found.verdict.checks],
        )
    if found.artifacts:
        names = ", ".join(f"{one.name} ({one.size} bytes)" for one in found.artifacts)
        print_line(f"Artifacts of the machine: {names}; to read one: bringup run artifact {found.run_id} NAME")


@run.command("artifact")
@click.argument("run_id")
@click.argument("name")
@click.option("--raw", is_flag=True, help="The bytes as the machine sent them, to a file or a pipe.")
@output_option
@click.pass_obj
def run_artifact(context: Context, run_id: str, name: str, output: Output, *, raw: bool) -> None:
    """Print a log that the machine of a run has sent, such as agent.log."""
    if raw and sys.stdout.isatty():
        raise click.UsageError("--raw writes to a file or a pipe only: a log could drive this terminal")
    content = context.api().get_text(f"/runs/{run_id}/artifacts/{name}")
    text = content.decode(errors="replace")
    if raw:
        sys.stdout.buffer.write(content)
    elif output == "json":
        print_json({"run_id": run_id, "name": name, "size": len(content), "text": text})
    else:
        for line in text.removesuffix("\n").split("\n"):
            print_line(line)


@run.command("abort")
@click.argument("run_id")
@click.option("--reason", default="aborted by the operator", show_default=True)
@output_option
@click.pass_obj
def run_abort(context: Context, run_id: str, reason: str, output: Output) -> None:
    """End a run; its machine gets the abort in the answer to its next heartbeat."""
    found = context.api().post(f"/runs/{run_id}/abort", AbortRequest(reason=reason), Run)
    print_model(found, output, f"Run {found.run_id} of {found.device}: {found.state}")


def seconds_of(found: Run | _RunLine) -> str:
    """From the lease to the verdict, or to now."""
    end = found.ended_at or found.updated_at
    return f"{(end - found.created_at).total_seconds():.1f}"


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
        ("Queue", "Queued", "Started", "Scheduled", "Failed", "Quarantined", "Workers"),
        [(q.name, q.queued, q.started, q.scheduled, q.failed, q.quarantined, q.workers) for q in found.queues],
    )
    if found.tailers:
        print_table(
            "Tailers",
            ("Host", "File", "Source", "Silent for s", "Behind for s", "Problem"),
            [(t.host, t.path, t.source, f"{t.silent_s:.0f}", f"{t.behind_s:.0f}", t.problem) for t in found.tailers],
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
