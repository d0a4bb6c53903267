"""``bringup run``: one run and its history, waiting for its end, and ending or repeating runs."""

import sys

import click

from bringup.wire.actions import OperatorAction
from bringup.wire.report import Report
from bringup.wire.run import RunDetail
from bringup_cli import completing, run_tables
from bringup_cli.bulk import act, dry_run_option
from bringup_cli.context import Context, Output, output_option, print_json, print_line, print_model
from bringup_cli.waiting import EXIT_OF, wait_for_end

_HELP_OF_STATUS = ", ".join(f"{status} {state}" for state, status in EXIT_OF.items())
_run_ids = click.argument("run_ids", metavar="RUN_ID...", nargs=-1, required=True, shell_complete=completing.run_ids)
_run_id = click.argument("run_id", shell_complete=completing.run_ids)


@click.group()
def run() -> None:
    """Show one run, wait for its end, end it, or repeat it."""


@run.command("show")
@_run_id
@output_option
@click.pass_obj
def run_show(context: Context, run_id: str, output: Output) -> None:
    """Show a run: its state, the reason, and everything that happened in it."""
    found = context.api().get(f"/runs/{run_id}", RunDetail)
    if output == "json":
        print_model(found)
    else:
        run_tables.print_run(found)


@run.command("report")
@_run_id
@output_option
@click.pass_obj
def run_report(context: Context, run_id: str, output: Output) -> None:
    """Show what the machine of a run has reported: its hardware, and the checks that ran on it."""
    found = context.api().get(f"/runs/{run_id}/report", Report)
    if output == "json":
        print_model(found)
    else:
        run_tables.print_report(run_id, found)


@run.command(
    "wait",
    epilog=f"Exit status: {_HELP_OF_STATUS}; 124: it had not ended in time; 1: the API refuses; 2: usage.",
)
@_run_id
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0), metavar="SECONDS", help="Default: no limit.")
@output_option
@click.pass_context
def run_wait(context: click.Context, run_id: str, output: Output, *, timeout_s: float | None) -> None:
    """Wait until a run has its verdict. While the API does not answer, go on."""
    found, status = wait_for_end(context.obj.api(), run_id, timeout_s)
    if output == "json":
        print_json(found.model_dump(mode="json") if found else None)
    elif found is None:
        print_line(f"Run {run_id}: the API has not answered in time")
    else:
        print_line(run_tables.headline(found))
    context.exit(status)


@run.command("artifact")
@_run_id
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
@_run_ids
@click.option("--reason", default="aborted by the operator", show_default=True)
@dry_run_option
@output_option
@click.pass_context
def run_abort(context: click.Context, run_ids: tuple[str, ...], reason: str, output: Output, *, dry_run: bool) -> None:
    """End runs; each machine gets the abort in the answer to its next heartbeat."""
    act(context, OperatorAction.ABORT, run_ids, output, dry_run=dry_run, reason=reason)


@run.command("repeat")
@_run_ids
@click.option("--reason", default="repeated by the operator", show_default=True)
@dry_run_option
@output_option
@click.pass_context
def run_repeat(context: click.Context, run_ids: tuple[str, ...], reason: str, output: Output, *, dry_run: bool) -> None:
    """Approve the machine of each run that did not pass, and start another run of it, in one step."""
    act(context, OperatorAction.REPEAT, run_ids, output, dry_run=dry_run, reason=reason)
