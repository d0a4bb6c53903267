"""``bringup device learn``: lines of the inventory, proposed from a machine's report."""

from pathlib import Path
from typing import Any

import click

from bringup.connections.api_client import ApiClient
from bringup.errors import PermanentError
from bringup.settings.rules import Use
from bringup.text import printable
from bringup.wire import operator, report
from bringup.wire.run import RunDetail, RunList
from bringup_cli.context import Context, Output, output_option, print_json
from bringup_cli.learn.learned import learn
from bringup_cli.learn.proposal import Proposal, ProposedValue, propose

# How many of the newest runs are searched for a report of the machine: the API lists 10,000 at most, and a page of
# 1,000 holds weeks of a busy site.
_SEARCHED_RUNS = 1000
WARNING = (
    "Read every line. What is learned from a broken machine makes the broken machine the norm: "
    "compare it with what was ordered, not with what was found."
)


@click.command("learn")
@click.argument("name", metavar="DEVICE")
@click.option("--run", "run_id", metavar="RUN", help="The report of this run instead of the device's last one.")
@click.option("--replace", is_flag=True, help="Propose also to replace what is on record and was found otherwise.")
@output_option
@click.pass_obj
def device_learn(context: Context, name: str, run_id: str | None, output: Output, *, replace: bool) -> None:
    """Propose lines of DEVICES_FILE from a machine's last report, as a patch.

    Nothing is written. Save the patch, read it, and apply it in the folder of DEVICES_FILE: patch -p0 < FILE, or
    git apply -p0 FILE.
    """
    client = context.api()
    run, macs = _run_of(client, name, run_id)
    learned = learn(run, client.get(f"/runs/{run}/report", report.Report), macs)
    path = context.settings_for(Use.OPERATOR).devices_file
    made = propose(path, name, learned, replace=replace)
    if output == "json":
        print_json(_document(name, run, path, made, replace=replace))
    else:
        _show(run, path, made, replace=replace)


def _run_of(client: ApiClient, name: str, run_id: str | None) -> tuple[str, tuple[str, ...]]:
    """The run whose report counts, and the MACs under which the machine is known."""
    device = client.get(f"/devices/{name}", operator.DeviceView)
    if run_id is not None:
        run = client.get(f"/runs/{run_id}", RunDetail)
        if run.device != name:
            raise PermanentError(f"run {run_id} is of {run.device}, not of {name}")
        return run_id, device.macs
    runs = client.get(f"/runs?limit={_SEARCHED_RUNS}", RunList).runs
    found = next((run.run_id for run in runs if run.device == name and run.report_sha256), None)
    if found is None:
        raise PermanentError(
            f"none of the {len(runs)} newest runs is of {name} and has a report; "
            f"start one (bringup device start {name}), or name an older one with --run"
        )
    return found, device.macs


def _document(name: str, run_id: str, path: Path, made: Proposal, *, replace: bool) -> dict[str, Any]:
    return {
        "device": name,
        "run": run_id,
        "file": str(path),
        "patch": made.patch,
        "in_inventory": not made.is_new,
        "changes": [change._asdict() | {"proposed": _is_proposed(change, replace=replace)} for change in made.changes],
        "warning": WARNING,
    }


def _is_proposed(change: ProposedValue, *, replace: bool) -> bool:
    return change.on_record is None or replace


def _show(run_id: str, path: Path, made: Proposal, *, replace: bool) -> None:
    """The patch alone on standard output, so that it can go to a file; what it means beside it."""
    click.echo(made.patch, nl=False)
    for change in made.changes:
        if not _is_proposed(change, replace=replace):
            _note(f"{change.field}: on record {change.on_record}, found {change.found}; --replace would propose it")
    if not made.patch:
        _note(f"Nothing to add to {path}: the report of run {run_id} shows nothing that is not on record.")
        return
    _note(f"From the report of run {run_id}. {WARNING}")
    _note(f"To apply it, save it and run in {path.absolute().parent}: patch -p0 < FILE")


def _note(text: str) -> None:
    click.echo(printable(text), err=True)
