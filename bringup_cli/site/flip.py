"""``bringup site flip``: from plain text to mutual TLS and back, on a running site, without losing a lease or a run.

Tailers stop first and start last: the file of the DHCP server keeps what comes meanwhile. Workers finish the jobs that
they have. Redis keeps its data over its restart. Where a self-test is not green afterwards, all of it is undone.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, Thread

from bringup import errors, tls
from bringup.connections.api_client import ApiClient
from bringup.settings import Settings
from bringup.wire.message import Health
from bringup_cli.site.flip_files import FlipMode
from bringup_cli.site.registry import HostRole

# Seconds between two questions whether the API is there, and for one answer.
_ASK_EVERY_S = 0.1
_ASK_S = 1
# Who is stopped before anything changes, and starts when the servers are there again.
_CLIENTS_STOP = (HostRole.TAILER, HostRole.WORKER, HostRole.CONSOLE)
_SERVERS = (HostRole.REDIS, HostRole.API, HostRole.IMAGES)
_CLIENTS_START = (HostRole.CONSOLE, HostRole.WORKER, HostRole.TAILER)


@dataclass(frozen=True)
class FlipHost:
    """A host of the site, and what runs there."""

    name: str
    roles: tuple[HostRole, ...]


@dataclass(frozen=True)
class FlipAction:
    """One thing done on one host: ``check``, ``pause``, ``stop worker``, ``change``, ``restart api``, ``test``."""

    host: str
    what: str


@dataclass
class FlipRecord:
    """What a flip did.

    Args:
        mode: what the site was to become.
        began_at: when it began.
        changes: each line that was changed, by host.
        actions: each action, its seconds, and why it failed; empty: it did not.
        went_back: whether all of it was undone.
        outage_s: the longest time for which the API did not answer.
        passed: whether the site is now what was asked for, and its self-test has passed.
    """

    mode: FlipMode
    began_at: datetime
    changes: dict[str, list[str]] = field(default_factory=dict)
    actions: list[tuple[FlipAction, float, str]] = field(default_factory=list)
    went_back: bool = False
    outage_s: float = 0.0
    passed: bool = False


def plan(hosts: Sequence[FlipHost]) -> list[FlipAction]:
    """Every action of a flip but the checks before it and the self-test after it, in order."""
    return [
        *(FlipAction(host.name, "pause") for host in hosts),
        *_each(hosts, "stop", _CLIENTS_STOP),
        *(FlipAction(host.name, "change") for host in hosts),
        *_each(hosts, "restart", _SERVERS),
        *_each(hosts, "start", _CLIENTS_START),
        *(FlipAction(host.name, "resume") for host in hosts),
    ]


def _each(hosts: Sequence[FlipHost], what: str, roles: Iterable[HostRole]) -> Iterator[FlipAction]:
    for role in roles:
        yield from (FlipAction(host.name, f"{what} {role}") for host in hosts if role in host.roles)


def check(
    record: FlipRecord,
    hosts: Sequence[FlipHost],
    act: Callable[[FlipAction, FlipMode], None],
    show: Callable[[str], object],
) -> bool:
    """Whether every host could be flipped, by its files and settings as they would be. Arguments as `flip`."""
    return _Runner(record, act, show).all([FlipAction(host.name, "check") for host in hosts], record.mode)


def flip(
    record: FlipRecord,
    hosts: Sequence[FlipHost],
    act: Callable[[FlipAction, FlipMode], None],
    show: Callable[[str], object],
) -> None:
    """Check, flip, test; and go back where the test fails.

    Args:
        record: what is done is added to it.
        hosts: of the site.
        act: does one action in one mode; raises BringupError where it fails.
        show: gets a line for each action.
    """
    run = _Runner(record, act, show)
    if not check(record, hosts, act, show):
        return  # nothing was changed
    tests = [FlipAction(host.name, "test") for host in hosts]
    record.passed = run.all([*plan(hosts), *tests], record.mode)
    if not record.passed:
        record.went_back = True
        show(f"It is not green: going back to {record.mode.other}")
        run.every([*plan(hosts), *tests], record.mode.other)


@dataclass
class _Runner:
    record: FlipRecord
    act: Callable[[FlipAction, FlipMode], None]
    show: Callable[[str], object]

    def all(self, actions: Sequence[FlipAction], mode: FlipMode) -> bool:
        """Take actions until one fails; whether none has."""
        return all(self._take(action, mode) for action in actions)

    def every(self, actions: Sequence[FlipAction], mode: FlipMode) -> None:
        """Take all actions, also after one that fails: the way back must not end halfway."""
        for action in actions:
            self._take(action, mode)

    def _take(self, action: FlipAction, mode: FlipMode) -> bool:
        began, why = time.monotonic(), ""
        try:
            self.act(action, mode)
        except errors.BringupError as error:
            why = str(error)
        took = time.monotonic() - began
        self.record.actions.append((action, took, why))
        self.show(f"{'FAILED ' if why else 'ok     '} {action.host}: {action.what} ({took:.1f} s){why and f': {why}'}")
        return not why


class OutageMeter:
    """Asks the API again and again, in both modes, and measures for how long nobody answered.

    Args:
        settings: of a client, in each mode.
    """

    def __init__(self, settings: Iterable[Settings]) -> None:
        self._settings = [
            one.model_copy(update={"api_timeout_s": _ASK_S, "redis_timeout_s": _ASK_S}) for one in settings
        ]
        self._stop = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self.longest_s = 0.0

    def __enter__(self) -> "OutageMeter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        clients = [ApiClient(one, tls.ClientContexts()) for one in self._settings]
        answered_at = time.monotonic()
        while not self._stop.wait(_ASK_EVERY_S):
            is_there = any(map(_answers, clients))
            now = time.monotonic()
            self.longest_s = max(self.longest_s, now - answered_at)
            answered_at = now if is_there else answered_at


def _answers(api: ApiClient) -> bool:
    try:
        api.get("/health", Health)
    except errors.BringupError:
        return False
    return True
