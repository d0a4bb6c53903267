"""How the records of a dry run are shown."""

import json
from collections.abc import Sequence
from typing import Any

import click

from bringup_cli.output import show_table
from dhcp_tailer.dry_run import Told


def show_line(told: Told) -> None:
    """One JSON object on a line of its own."""
    line: dict[str, Any] = {"outcome": told.outcome.value}
    if told.event:
        line |= {"run_id": told.event.run_id, **told.event.model_dump(mode="json", exclude_none=True)}
    else:
        line |= {"reason": told.reason} | ({"record": told.record} if told.record else {})
    click.echo(json.dumps(line))


def show_row_table(title: str, shown: Sequence[Told]) -> None:
    """One row a record."""
    columns = ("Outcome", "MAC", "IP", "Starts", "Ends", "Host name", "Vendor class", "Run or reason")
    show_table(title, columns, [_row(told) for told in shown])


def _row(told: Told) -> tuple[object, ...]:
    event = told.event
    if event is None:
        why = f"{told.reason}: {told.record}" if told.record else told.reason
        return told.outcome.value, None, None, None, None, None, None, why
    ends = event.ends.isoformat() if event.ends else None
    return (
        told.outcome.value,
        event.mac,
        event.ip,
        event.starts.isoformat(),
        ends,
        event.hostname,
        event.vendor_class,
        event.run_id,
    )
