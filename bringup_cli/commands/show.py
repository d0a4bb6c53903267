"""``bringup devices``, ``bringup runs`` and ``bringup run``: what the API knows, for the person on call."""

import sys

import click

from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.wire.operator import AbortRequest, DeviceChange, DeviceList, DeviceView, Explanation, StartRequest
from bringup.wire.run import Run, RunDecision, RunDetail, RunList
from bringup_cli.commands.learn import device_learn
from bringup_cli.context import EXIT_FAILED, Context
from bringup_cli.output import Output, output_option, say, show_json, show_table


def _client(context: Context) -> ApiClient:
    return ApiClient(context.settings, tls.ClientContexts())


@click.command()
@output_option
@click.pass_obj
def devices(context: Context, output: Output) -> None:
    """List the machines that are known, and where each stands."""
    found = _client(context).get("/devices", DeviceList)
    if output == "json":
        show_json(found.model_dump(mode="json")["devices"])
        return
    show_table(
        "Devices",
        ("Device", "State", "Maintenance", "MACs", "IP", "Active run", "Last run"),
        [(d.name, d.state, d.maintenance, " ".join(d.macs), d.ip, d.active_run, d.last_run) for d in found.devices],
    )


@click.command()
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000), help="So many of the newest.")
@output_option
@click.pass_obj
def runs(context: Context, limit: int, output: Output) -> None:
    """List runs, newest first."""
    found = _client(context).get(f"/runs?limit={limit}", RunList)
    if output == "json":
        show_json(found.model_dump(mode="json")["runs"])
        return
    show_table(
        "Runs, newest first",
        ("Run", "Device", "State", "Reason", "Seconds", "Detail"),
        [(r.run_id, r.device, r.state, r.reason, seconds_of(r), r.detail) for r in found.runs],
    )


@click.group()
def run() -> None:
    """Look at one run, or end it."""


@run.command("show")
@click.argument("run_id")
@output_option
@click.pass_obj
def run_show(context: Context, run_id: str, output: Output) -> None:
    """Show a run: where it stands, why, and everything that happened in it."""
    found = _client(context).get(f"/runs/{run_id}", RunDetail)
    if output == "json":
        show_json(found.model_dump(mode="json"))
        return
    reason = f" ({found.reason}: {found.detail})" if found.reason else f" ({found.detail})" if found.detail else ""
    say(f"Run {found.run_id} of {found.device}: {found.state}{reason}")
    start = found.created_at
    show_table(
        "Timeline",
        ("Time", "+ s", "What", "State", "Detail"),
        [
            (
                e.at.isoformat(timespec="milliseconds"),
                f"{(e.at - start).total_seconds():.1f}",
                e.type if e.applied else f"{e.type} (not applied)",
                e.state,
                e.detail,
            )
            for e in found.timeline
        ],
    )
    if found.verdict:
        show_table(
            f"Verdict: {found.verdict.state}",
            ("Check", "Status", "Expected", "Found"),
            [(c.name, c.status, c.expected, c.observed) for c in found.verdict.checks],
        )
    if found.artifacts:
        listed = ", ".join(f"{one.name} ({one.size} bytes)" for one in found.artifacts)
        say(f"The machine has left: {listed}; to read one: bringup run artifact {found.run_id} NAME")


@run.command("artifact")
@click.argument("run_id")
@click.argument("name")
@click.option("--raw", is_flag=True, help="The bytes as the machine sent them, to a file or a pipe.")
@output_option
@click.pass_obj
def run_artifact(context: Context, run_id: str, name: str, output: Output, *, raw: bool) -> None:
    """Print a log that the machine of a run has left, such as agent.log."""
    if raw and sys.stdout.isatty():
        raise click.UsageError("--raw writes to a file or a pipe only: a log could drive this terminal")
    content = _client(context).get_text(f"/runs/{run_id}/artifacts/{name}")
    text = content.decode(errors="replace")
    if raw:
        sys.stdout.buffer.write(content)
    elif output == "json":
        show_json({"run_id": run_id, "name": name, "size": len(content), "text": text})
    else:
        for line in text.removesuffix("\n").split("\n"):
            say(line)


@run.command("abort")
@click.argument("run_id")
@click.option("--reason", default="aborted by the operator", show_default=True)
@click.pass_obj
def run_abort(context: Context, run_id: str, reason: str) -> None:
    """End a run; the machine is told at its next heartbeat."""
    found = _client(context).post(f"/runs/{run_id}/abort", AbortRequest(reason=reason), Run)
    say(f"Run {found.run_id} of {found.device}: {found.state}")


@click.group()
def device() -> None:
    """Approve a machine, put it in service or in maintenance, or start a run of it."""


device.add_command(device_learn)


@device.command("set")
@click.argument("name")
@click.option("--state", type=click.Choice(["approved", "active", "discovered"]))
@click.option("--maintenance", metavar="REASON", help="Why nobody may touch it; an empty text ends it.")
@click.option("--forget-identity", is_flag=True, help="After a new mainboard: the next contact is the first again.")
@click.pass_obj
def device_set(
    context: Context, name: str, *, state: str | None, maintenance: str | None, forget_identity: bool
) -> None:
    """Change where a machine stands."""
    wanted = {"state": state, "maintenance": maintenance, "forget_identity": forget_identity or None}
    change = DeviceChange.model_validate({key: value for key, value in wanted.items() if value is not None})
    found = _client(context).patch(f"/devices/{name}", change, DeviceView)
    say(f"Device {found.name}: {found.state}" + (f", in maintenance: {found.maintenance}" if found.maintenance else ""))


@device.command("start")
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Say what would happen; switch nothing. Exit status 1: it would not.")
@click.pass_obj
def device_start(context: Context, name: str, *, dry_run: bool) -> None:
    """Start a run of an approved machine without waiting for a lease."""
    if dry_run:
        found = _explanation(context, name)
        _show_explanation(found)
        sys.exit(0 if found.would_power else EXIT_FAILED)
    started = _client(context).post(f"/devices/{name}/runs", StartRequest(), RunDecision)
    say(f"Run {started.run_id}: {started.state}")


@click.command()
@click.argument("name", metavar="DEVICE")
@output_option
@click.pass_obj
def explain(context: Context, name: str, output: Output) -> None:
    """Say whether a machine would be powered now, and why not. The API decides; nothing is switched."""
    found = _explanation(context, name)
    if output == "json":
        show_json(found.model_dump(mode="json"))
        return
    _show_explanation(found)


def _explanation(context: Context, name: str) -> Explanation:
    return _client(context).get(f"/devices/{name}/explain", Explanation)


def _show_explanation(found: Explanation) -> None:
    say(f"{found.device} would {'' if found.would_power else 'not '}be powered now.")
    for obstacle in found.obstacles:
        say(f"  because {obstacle}")
    if found.would_start:
        say("A run would, in this order, as far as it gets:")
    for number, step in enumerate(found.steps if found.would_start else (), start=1):
        say(f"  {number}. {step}")


def seconds_of(found: Run) -> str:
    """From the lease to the verdict, or to now."""
    end = found.ended_at or found.updated_at
    return f"{(end - found.created_at).total_seconds():.1f}"
