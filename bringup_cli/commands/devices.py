"""``bringup devices``, ``bringup device`` and ``bringup explain``: the machines, and what may be done with them."""

from pathlib import Path
from typing import Any

import click

from bringup.connections.api_client import ApiClient
from bringup.errors import PermanentError
from bringup.settings.rules import Use
from bringup.text import printable
from bringup.wire import operator, report
from bringup.wire.message import Message
from bringup.wire.run import RunDecision, RunDetail, RunList
from bringup_cli.context import Context
from bringup_cli.exit_status import EXIT_FAILED
from bringup_cli.learn.learned import learn
from bringup_cli.learn.proposal import Proposal, ProposedValue, propose
from bringup_cli.output import Output, output_option, print_json, print_line, print_model, print_table

# How many of the newest runs are searched for a report of the machine: the API lists 10,000 at most, and a page of
# 1,000 holds weeks of a busy site.
_SEARCHED_RUNS = 1000
WARNING = (
    "Read every line. What is learned from a broken machine makes the broken machine the norm: "
    "compare it with what was ordered, not with what was found."
)


class _DeviceLine(Message):
    """What the table shows of a machine: to read all else of ten thousand takes a second."""

    name: str
    state: str
    maintenance: str | None = None
    macs: tuple[str, ...] = ()
    ip: str | None = None
    active_run: str | None = None
    last_run: str | None = None


class _DeviceLines(Message):
    devices: tuple[_DeviceLine, ...]


@click.command()
@output_option
@click.pass_obj
def devices(context: Context, output: Output) -> None:
    """List the machines that are known, and their state."""
    if output == "json":
        print_json(context.api().get("/devices", operator.DeviceList).model_dump(mode="json")["devices"])
        return
    found = context.api().get("/devices", _DeviceLines)
    print_table(
        "Devices",
        ("Device", "State", "Maintenance", "MACs", "IP", "Active run", "Last run"),
        [(d.name, d.state, d.maintenance, " ".join(d.macs), d.ip, d.active_run, d.last_run) for d in found.devices],
    )


@click.group()
def device() -> None:
    """Show a machine, approve it, put it in service or maintenance, start a run of it, or learn its inventory."""


@device.command("show")
@click.argument("name")
@output_option
@click.pass_obj
def device_show(context: Context, name: str, output: Output) -> None:
    """Show a machine with its history: its runs and verdicts, its addresses, and what people changed."""
    found = context.api().get(f"/devices/{name}", operator.DeviceDetail)
    if output == "json":
        print_model(found)
        return
    maintained = f", in maintenance: {found.maintenance}" if found.maintenance else ""
    print_line(f"Device {found.name}: {found.state}{maintained}; MACs {' '.join(found.macs) or 'unknown'}")
    print_table(
        "Runs, newest first",
        ("Run", "State", "Reason", "Address", "Created", "Detail"),
        [(r.run_id, r.state, r.reason, r.ip, r.created_at.isoformat(timespec="seconds"), r.detail) for r in found.runs],
    )
    print_table(
        "Changes by people, oldest first",
        ("Time", "Who", "From", "What", "Before", "After"),
        [(c.at.isoformat(timespec="seconds"), c.by, c.address, c.what, c.before, c.after) for c in found.changes],
    )


@device.command("set")
@click.argument("name")
@click.option("--state", type=click.Choice(["approved", "active", "discovered"]))
@click.option("--maintenance", metavar="REASON", help="The reason why no run may start; an empty text ends it.")
@click.option("--forget-identity", is_flag=True, help="After a new mainboard: the next contact is the first again.")
@output_option
@click.pass_obj
def device_set(
    context: Context,
    name: str,
    output: Output,
    *,
    state: str | None,
    maintenance: str | None,
    forget_identity: bool,
) -> None:
    """Change the state of a machine."""
    wanted = {"state": state, "maintenance": maintenance, "forget_identity": forget_identity or None}
    change = operator.DeviceChange.model_validate({key: value for key, value in wanted.items() if value is not None})
    found = context.api().patch(f"/devices/{name}", change, operator.DeviceView)
    maintained = f", in maintenance: {found.maintenance}" if found.maintenance else ""
    print_model(found, output, f"Device {found.name}: {found.state}{maintained}")


@device.command("start")
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Show what would happen; switch nothing. Exit status 1: it would not.")
@output_option
@click.pass_context
def device_start(context: click.Context, name: str, output: Output, *, dry_run: bool) -> None:
    """Start a run of an approved machine without waiting for a lease."""
    if dry_run:
        found = _explain(context.obj, name, output)
        context.exit(0 if found.would_power else EXIT_FAILED)
    started = context.obj.api().post(f"/devices/{name}/runs", operator.StartRequest(), RunDecision)
    print_model(started, output, f"Run {started.run_id}: {started.state}")


@click.command()
@click.argument("name", metavar="DEVICE")
@output_option
@click.pass_obj
def explain(context: Context, name: str, output: Output) -> None:
    """Show whether a machine would be powered now, and why not. The API decides; nothing is switched."""
    _explain(context, name, output)


def _explain(context: Context, name: str, output: Output) -> operator.Explanation:
    found = context.api().get(f"/devices/{name}/explain", operator.Explanation)
    if output == "json":
        print_model(found)
        return found
    print_line(f"{found.device} would {'' if found.would_power else 'not '}be powered now.")
    for obstacle in found.obstacles:
        print_line(f"  because {obstacle}")
    if found.would_start:
        print_line("A run would, in this order, as far as it gets:")
    for number, step in enumerate(found.steps if found.would_start else (), start=1):
        print_line(f"  {number}. {step}")
    return found


@device.command("learn")
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
