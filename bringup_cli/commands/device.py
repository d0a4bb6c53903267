"""``bringup device`` and ``bringup explain``: one machine, and what may be done with machines."""

import click

from bringup.wire import actions, operator
from bringup_cli import bulk, completing, exit_status, lazy_group
from bringup_cli.context import Context, Output, output_option, print_line, print_model, print_table

_names = click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=completing.device_names)
_name = click.argument("name", shell_complete=completing.device_names)
# It reads and writes TOML with its comments, which no other command does.
_LEARN = lazy_group.Place("device_learn", "device_learn", "Propose lines of DEVICES_FILE from a machine's last report.")


@click.group(cls=lazy_group.LazyGroup, places={"learn": _LEARN})
def device() -> None:
    """Show a machine, approve it, put it in service or maintenance, start a run of it, or learn its inventory."""


@device.command("show")
@_name
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
@_name
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
    """Change one machine, also from in service to approved, which no command for many machines does."""
    wanted = {"state": state, "maintenance": maintenance, "forget_identity": forget_identity or None}
    change = operator.DeviceChange.model_validate({key: value for key, value in wanted.items() if value is not None})
    found = context.api().patch(f"/devices/{name}", change, operator.DeviceView)
    maintained = f", in maintenance: {found.maintenance}" if found.maintenance else ""
    print_model(found, output, f"Device {found.name}: {found.state}{maintained}")


@device.command("start")
@_names
@click.option("--reason", default="started by the operator", show_default=True)
@bulk.dry_run_option
@output_option
@click.pass_context
def device_start(context: click.Context, names: tuple[str, ...], reason: str, output: Output, *, dry_run: bool) -> None:
    """Start a run of approved machines without waiting for a lease."""
    if dry_run and output == "table" and len(names) == 1:
        # Of one machine there is room for every step.
        found = _explain(context.obj, names[0], output)
        context.exit(0 if found.would_power else exit_status.EXIT_FAILED)
    bulk.act(context, actions.OperatorAction.START, names, output, dry_run=dry_run, reason=reason)


@device.command("approve")
@_names
@bulk.dry_run_option
@output_option
@click.pass_context
def device_approve(context: click.Context, names: tuple[str, ...], output: Output, *, dry_run: bool) -> None:
    """Approve machines: the next lease of each starts a run. One that is in service is left alone."""
    bulk.act(context, actions.OperatorAction.APPROVE, names, output, dry_run=dry_run)


@device.command("in-service")
@_names
@bulk.dry_run_option
@output_option
@click.pass_context
def device_in_service(context: click.Context, names: tuple[str, ...], output: Output, *, dry_run: bool) -> None:
    """Put machines in service: they are never powered again."""
    bulk.act(context, actions.OperatorAction.IN_SERVICE, names, output, dry_run=dry_run)


@device.command("withhold")
@_names
@bulk.dry_run_option
@output_option
@click.pass_context
def device_withhold(context: click.Context, names: tuple[str, ...], output: Output, *, dry_run: bool) -> None:
    """Take the approval of machines back, also that of the inventory."""
    bulk.act(context, actions.OperatorAction.WITHHOLD, names, output, dry_run=dry_run)


@device.command("maintenance")
@_names
@click.option("--reason", help="Why no run may start.")
@click.option("--end", is_flag=True, help="Take them out of maintenance.")
@bulk.dry_run_option
@output_option
@click.pass_context
def device_maintenance(
    context: click.Context, names: tuple[str, ...], reason: str | None, output: Output, *, end: bool, dry_run: bool
) -> None:
    """Put machines in maintenance with a reason, or end it."""
    if bool(reason) is end:
        raise click.UsageError("give --reason TEXT to put machines in maintenance, or --end to end it")
    action = actions.OperatorAction.END_MAINTENANCE if end else actions.OperatorAction.MAINTENANCE
    bulk.act(context, action, names, output, dry_run=dry_run, reason=reason or "")


@click.command()
@click.argument("name", metavar="DEVICE", shell_complete=completing.device_names)
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
