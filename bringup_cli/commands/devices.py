"""``bringup devices``: the list of machines, filtered, and followed as it changes."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import click
from pydantic import AwareDatetime

from bringup.connections.api_client import ApiClient
from bringup.model import DeviceState, RunState
from bringup.wire import operator
from bringup.wire.message import Message
from bringup_cli import filters
from bringup_cli.context import Context, Output, output_option, print_json, print_json_line, print_line, print_table

if TYPE_CHECKING:
    from bringup.wire.changes import FeedChange

# What a machine that has failed may have ended with; of these, one that is degraded has no reason.
_NOT_PASSED = (RunState.FAILED, RunState.TIMED_OUT, RunState.ABORTED, RunState.DEGRADED)
# The most that the API lists at once.
_MOST = 10_000


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


class _Ended(Message):
    device: str
    reason: str | None = None
    created_at: AwareDatetime


class _EndedRuns(Message):
    runs: tuple[_Ended, ...]


class _Chosen(NamedTuple):
    """Which devices are listed; all but ``reason`` as `GET /devices` takes it."""

    state: str | None
    name: str | None
    maintenance: str | None
    since: datetime | None
    reason: str | None

    def takes(self, device: operator.DeviceView) -> bool:
        """Whether a device that has changed is one of them, but for the reason."""
        is_maintained = "true" if device.maintenance is not None else "false"
        return (
            self.state in {None, device.state}
            and (self.name or "") in device.name
            and self.maintenance in {None, is_maintained}
            and (self.since is None or (device.last_seen_at is not None and device.last_seen_at >= self.since))
        )


@click.command()
@filters.device_state_option
@filters.reason_option
@click.option("--device", "name", metavar="TEXT", help="Only those whose name contains this text.")
@click.option("--maintenance/--no-maintenance", default=None, help="Only those that are in maintenance, or are not.")
@filters.since_option
@filters.watch_option
@output_option
@click.pass_obj
def devices(
    context: Context,
    output: Output,
    *,
    state: str | None,
    reason: str | None,
    name: str | None,
    maintenance: bool | None,
    since: datetime | None,
    watch_: bool,
) -> None:
    """List the machines that are known, and their state. With --since those that were seen since."""
    client = context.api()
    in_maintenance = None if maintenance is None else str(maintenance).lower()
    chosen = _Chosen(state, name, in_maintenance, since, reason)
    if watch_:
        # Imported here: who looks once needs no feed.
        import_module("bringup_cli.watching").watch(
            client, partial(_list, client, chosen, output), partial(_print_change, client, chosen, output)
        )
    else:
        _list(client, chosen, output)


def _list(client: ApiClient, chosen: _Chosen, output: Output) -> None:
    parameters = chosen._asdict()
    del parameters["reason"]
    path = filters.query("/devices", parameters)
    named = None if chosen.reason is None else set(_failed_for(client, chosen.reason))
    if output == "json":
        listed = client.get(path, operator.DeviceList).devices
        print_json([one.model_dump(mode="json") for one in listed if named is None or _is_failed(one, named)])
        return
    found = client.get(path, _DeviceLines).devices
    print_table(
        "Devices",
        ("Device", "State", "Maintenance", "MACs", "IP", "Active run", "Last run"),
        [
            (d.name, d.state, d.maintenance, " ".join(d.macs), d.ip, d.active_run, d.last_run)
            for d in found
            if named is None or _is_failed(d, named)
        ],
    )


def _is_failed(device: "operator.DeviceView | _DeviceLine", named: set[str]) -> bool:
    """A machine that was approved again, or is validated, has no reason any more."""
    return device.state == DeviceState.FAILED and device.name in named


def _failed_for(client: ApiClient, reason: str) -> Iterator[str]:
    """The machines whose newest run that did not pass ended for this reason."""
    newest: dict[str, _Ended] = {}
    for state in _NOT_PASSED:
        for run in client.get(filters.query("/runs", {"state": state, "limit": _MOST}), _EndedRuns).runs:
            known = newest.setdefault(run.device, run)
            newest[run.device] = max(known, run, key=lambda one: one.created_at)
    return (name for name, run in newest.items() if run.reason == reason)


def _print_change(client: ApiClient, chosen: _Chosen, output: Output, change: "FeedChange") -> None:
    device = change.device
    if device is None or not chosen.takes(device):
        return
    # The state first: the reasons of a whole site are not read for a machine that has none.
    if chosen.reason and (device.state != DeviceState.FAILED or device.name not in _failed_for(client, chosen.reason)):
        return
    if output == "json":
        print_json_line(change.model_dump(mode="json"))
        return
    maintained = f" (maintenance: {device.maintenance})" if device.maintenance else ""
    by = f" by {change.who}" if change.who else ""
    print_line(f"{change.at:%Y-%m-%dT%H:%M:%SZ} {device.name} {device.state}{maintained} {change.what}{by}")
