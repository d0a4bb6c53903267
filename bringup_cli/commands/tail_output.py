"""How the records of a dry run are shown."""

import json
from collections.abc import Sequence
from typing import Any

import click

from bringup_cli.output import show_table
from dhcp_tailer.dry_run import DryRunRecord


def show_line(reported: DryRunRecord) -> None:
    """One JSON object on a line of its own."""
    line: dict[str, Any] = {"outcome": reported.outcome.value}
    if reported.event:
        line |= {"run_id": reported.event.run_id, **reported.event.model_dump(mode="json", exclude_none=True)}
    else:
        line |= {"reason": reported.reason} | ({"record": reported.record} if reported.record else {})
    click.echo(json.dumps(line))


def show_row_table(title: str, shown: Sequence[DryRunRecord]) -> None:
    """One row a record."""
    columns = ("Outcome", "MAC", "IP", "Starts", "Ends", "Host name", "Vendor class", "Run or reason")
    show_table(title, columns, [_row(reported) for reported in shown])


def _row(reported: DryRunRecord) -> tuple[object, ...]:
    event = reported.event
    if event is None:
        why = f"{reported.reason}: {reported.record}" if reported.record else reported.reason
        return reported.outcome.value, None, None, None, None, None, None, why
    ends = event.ends.isoformat() if event.ends else None
    return (
        reported.outcome.value,
        event.mac,
        event.ip,
        event.starts.isoformat(),
        ends,
        event.hostname,
        event.vendor_class,
        event.run_id,
    )
