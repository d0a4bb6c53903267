"""``bringup site flip``: from plain text to mutual TLS and back, on a running site, without losing a lease or a run.

Tailers stop first and start last: the file of the DHCP server keeps what comes meanwhile. Workers finish the jobs that
they have. Redis keeps its data over its restart. Where a self-test is not green afterwards, all of it is undone.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bringup_cli.site import change_report
from bringup_cli.site.actions import ActionRunner, HostAction, SiteChange, SiteHost, each
from bringup_cli.site.flip_files import FlipMode
from bringup_cli.site.registry import HostRole

# Who is stopped before anything changes, and starts when the servers are there again.
_CLIENTS_STOP = (HostRole.TAILER, HostRole.WORKER, HostRole.CONSOLE)
_SERVERS = (HostRole.REDIS, HostRole.API, HostRole.IMAGES)
_CLIENTS_START = (HostRole.CONSOLE, HostRole.WORKER, HostRole.TAILER)

FlipRecord = SiteChange[FlipMode]


def plan(hosts: Sequence[SiteHost]) -> list[HostAction]:
    """Every action of a flip but the checks before it and the self-test after it, in order."""
    return [
        *(HostAction(host.name, "pause") for host in hosts),
        *each(hosts, "stop", _CLIENTS_STOP),
        *(HostAction(host.name, "change") for host in hosts),
        *each(hosts, "restart", _SERVERS),
        *each(hosts, "start", _CLIENTS_START),
        *(HostAction(host.name, "resume") for host in hosts),
    ]


def check(
    record: FlipRecord,
    hosts: Sequence[SiteHost],
    act: Callable[[HostAction, FlipMode], None],
    show: Callable[[str], object],
) -> bool:
    """Whether every host could be flipped, by its files and settings as they would be. Arguments as `flip`."""
    return ActionRunner(record, act, show).all([HostAction(host.name, "check") for host in hosts], record.target)


def flip(
    record: FlipRecord,
    hosts: Sequence[SiteHost],
    act: Callable[[HostAction, FlipMode], None],
    show: Callable[[str], object],
) -> None:
    """Check, flip, test; and go back where the test fails.

    Args:
        record: what is done is added to it.
        hosts: of the site.
        act: does one action in one mode; raises BringupError where it fails.
        show: gets a line for each action.
    """
    run = ActionRunner(record, act, show)
    if not check(record, hosts, act, show):
        return  # nothing was changed
    tests = [HostAction(host.name, "test") for host in hosts]
    record.passed = run.all([*plan(hosts), *tests], record.target)
    if not record.passed:
        record.went_back = True
        show(f"It is not green: going back to {record.target.other}")
        run.every([*plan(hosts), *tests], record.target.other)


def as_json(record: FlipRecord) -> dict[str, Any]:
    """The report for programs."""
    return change_report.as_json(record, mode=record.target.value)


def result_of(record: FlipRecord) -> str:
    """The result in one sentence."""
    if record.passed:
        return f"The site is in {record.target} now, and its self-test has passed."
    if not record.went_back:
        return "Nothing was changed: a check before the flip has failed."
    return f"The site went back to {record.target.other}: the first action that failed shows why."


def as_markdown(record: FlipRecord) -> str:
    """The report for people."""
    switches = "TLS on" if record.target is FlipMode.PRODUCTION else "TLS off"
    return change_report.as_markdown(record, f"Flip to {record.target} ({switches})", result_of(record))


def write(record: FlipRecord, folder: Path) -> list[Path]:
    """Write both forms into a folder; their paths."""
    return change_report.write(record, folder, as_markdown(record), as_json(record))
