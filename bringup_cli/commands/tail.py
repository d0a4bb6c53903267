"""``bringup tail``: follow the DHCP server's file, try one without effect, or show how far the tailer is."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bringup import model
from bringup.settings.rules import Use
from bringup_cli.context import Context, Output, output_option, print_model, print_table
from dhcp_tailer import accounting, filters, recognise, retry, service, show, sources


@click.command()
@click.option(
    "--from-start/--from-end",
    default=True,
    show_default=True,
    help="Where to begin in a file that was never followed before.",
)
@click.option("--once", is_flag=True, help="Stop at the end of the file.")
@click.option(
    "--dry-run",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Read FILE and show what would become of it; queue nothing, remember nothing.",
)
@click.option("--source", type=click.Choice(list(sources.PARSERS)), help="What FILE holds; default is DHCP_SOURCE.")
@click.option("--explain", is_flag=True, help="With --dry-run: show of every record why it is no lease.")
@click.option("--status", is_flag=True, help="Show how far the tailer is and what became of the records.")
@output_option
@click.pass_obj
def tail(
    context: Context,
    *,
    from_start: bool,
    once: bool,
    file: Path | None,
    source: str | None,
    explain: bool,
    status: bool,
    output: Output,
) -> None:
    """Follow the DHCP server's file (DHCP_PATH) and put every new lease on the queue, exactly once."""
    if source and not file:
        raise click.UsageError("--source belongs to --dry-run; to follow a file, set DHCP_SOURCE")
    if explain and not file:
        raise click.UsageError("--explain belongs to --dry-run")
    if file:
        _dry_run(context, file, source, output, explain=explain)
    elif status:
        _status(context, output)
    else:
        with retry.stop_on_signals() as stop:
            service.run(context.settings_for(Use.REDIS, Use.LEASES), stop, from_end=not from_start, once=once)


def _dry_run(context: Context, file: Path, source: str | None, output: Output, *, explain: bool) -> None:
    settings = context.settings_for(Use.LEASES)
    parser = sources.PARSERS[source or settings.dhcp_source]()
    first_pass = filters.FirstPass(settings.lease_max_age_h, model.utc_now())
    counted = accounting.Accounting()
    shown = []
    for one in show.dry_run(file, parser, filters.Filters.of(settings), first_pass, explain=explain):
        counted.count(one.outcome)
        if one.outcome is accounting.Outcome.NOT_A_LEASE and not explain:
            continue
        if output == "json":
            _print_record(one)
        else:
            shown.append(one)
    if output == "table":
        _print_records(f"{file}", shown)
    click.echo(accounting.summary(counted.counts), err=True)
    if not counted.leases:
        recognise.require_match(file, parser.name, counted.others)


def _status(context: Context, output: Output) -> None:
    found = show.status_of(context.settings_for())
    if output == "json":
        print_model(found)
        return
    values = found.model_dump(mode="json", exclude={"counts"})
    rows = [(name.replace("_", " "), value) for name, value in values.items()]
    print_table("Tailer", ("What", "Value"), rows)
    print_table("Records", ("Outcome", "Number"), list(found.counts.items()))


def _print_record(record: show.DryRunRecord) -> None:
    """One JSON object on a line of its own."""
    line: dict[str, Any] = {"number": record.number, "outcome": record.outcome.value}
    if record.event:
        line |= {"run_id": record.event.run_id, **record.event.model_dump(mode="json", exclude_none=True)}
    else:
        line |= {"reason": record.reason} | ({"record": record.record} if record.record else {})
    click.echo(json.dumps(line))


def _print_records(title: str, shown: Sequence[show.DryRunRecord]) -> None:
    """One row a record."""
    columns = ("Record", "Outcome", "MAC", "IP", "Starts", "Ends", "Host name", "Vendor class", "Run or reason")
    print_table(title, columns, [_row(record) for record in shown])


def _row(record: show.DryRunRecord) -> tuple[object, ...]:
    event = record.event
    if event is None:
        why = f"{record.reason}: {record.record}" if record.record else record.reason
        return record.number, record.outcome.value, None, None, None, None, None, None, why
    ends = event.ends.isoformat() if event.ends else None
    return (
        record.number,
        record.outcome.value,
        event.mac,
        event.ip,
        event.starts.isoformat(),
        ends,
        event.hostname,
        event.vendor_class,
        event.run_id,
    )
