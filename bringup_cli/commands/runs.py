"""``bringup runs``: the list of runs, filtered, and followed as it changes."""

from datetime import datetime
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import click
from pydantic import AwareDatetime

from bringup.connections.api_client import ApiClient
from bringup.wire.message import Message
from bringup.wire.run import Run, RunList
from bringup_cli import filters
from bringup_cli.context import Context, Output, output_option, print_json, print_json_line, print_line, print_table

if TYPE_CHECKING:
    from bringup.wire.changes import FeedChange


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


class _Chosen(NamedTuple):
    """Which runs are listed, as `GET /runs` takes it."""

    limit: int
    state: str | None
    reason: str | None
    device: str | None
    since: datetime | None

    def takes(self, run: Run) -> bool:
        """Whether a run that has changed is one of them."""
        return (
            self.state in {None, run.state}
            and self.reason in {None, run.reason}
            and self.device in {None, run.device}
            and (self.since is None or run.created_at >= self.since)
        )


@click.command()
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000), help="How many of the newest.")
@filters.run_state_option
@filters.reason_option
@click.option("--device", metavar="NAME", help="Only those of this device.")
@filters.since_option
@filters.watch_option
@output_option
@click.pass_obj
def runs(
    context: Context,
    output: Output,
    *,
    limit: int,
    state: str | None,
    reason: str | None,
    device: str | None,
    since: datetime | None,
    watch_: bool,
) -> None:
    """List runs, newest first."""
    client, chosen = context.api(), _Chosen(limit, state, reason, device, since)
    draw = partial(_list, client, filters.query("/runs", chosen._asdict()), output)
    if watch_:
        # Imported here: who looks once needs no feed.
        import_module("bringup_cli.watching").watch(client, draw, partial(_print_change, chosen, output))
    else:
        draw()


def seconds_of(found: Run | _RunLine) -> str:
    """From the lease to the verdict, or to now."""
    end = found.ended_at or found.updated_at
    return f"{(end - found.created_at).total_seconds():.1f}"


def _list(client: ApiClient, path: str, output: Output) -> None:
    if output == "json":
        print_json(client.get(path, RunList).model_dump(mode="json")["runs"])
        return
    found = client.get(path, _RunLines)
    print_table(
        "Runs, newest first",
        ("Run", "Device", "State", "Reason", "Seconds", "Detail"),
        [(r.run_id, r.device, r.state, r.reason, seconds_of(r), r.detail) for r in found.runs],
    )


def _print_change(chosen: _Chosen, output: Output, change: "FeedChange") -> None:
    run = change.run
    if run is None or not chosen.takes(run):
        return
    if output == "json":
        print_json_line(change.model_dump(mode="json"))
        return
    why = f" ({run.reason}: {run.detail})" if run.reason else ""
    by = f" by {change.who}" if change.who else ""
    print_line(f"{change.at:%Y-%m-%dT%H:%M:%SZ} {run.run_id} {run.device} {run.state} {change.what}{by}{why}")
