"""What a flip and an upgrade share: actions on the hosts of a site, one after the other, and the record of them."""

import shlex
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from typing import Generic, TypeVar

from bringup import errors, tls
from bringup.connections.api_client import ApiClient
from bringup.settings import Settings
from bringup.wire.message import Health
from bringup_cli.site.host_system import HostCommandFailed
from bringup_cli.site.registry import HostRole

# Seconds between two questions whether the API is there, and for one answer.
_ASK_EVERY_S = 0.1
_ASK_S = 1
# Seconds for one action on another host: a worker finishes its jobs, Redis reads its append-only file.
_REMOTE_S = 1800
_LINES = 3  # of what a command on another host printed, in the message: its own error, and what led to it

# What the site becomes: a mode of a flip, a version of an upgrade.
Target = TypeVar("Target", bound=str)


@dataclass(frozen=True)
class SiteHost:
    """A host of the site, and what runs there."""

    name: str
    roles: tuple[HostRole, ...]


@dataclass(frozen=True)
class HostAction:
    """One thing done on one host: ``check``, ``pause``, ``stop worker``, ``change``, ``restart api``, ``test``."""

    host: str
    what: str


@dataclass
class SiteChange(Generic[Target]):
    """What a flip or an upgrade did.

    Args:
        target: what the site was to become.
        began_at: when it began.
        changes: each line that was changed, by host.
        actions: each action, its seconds, and why it failed; empty: it did not.
        went_back: whether all of it was undone.
        outage_s: the longest time for which the API did not answer.
        passed: whether the site is now what was asked for, and its self-test has passed.
    """

    target: Target
    began_at: datetime
    changes: dict[str, list[str]] = field(default_factory=dict)
    actions: list[tuple[HostAction, float, str]] = field(default_factory=list)
    went_back: bool = False
    outage_s: float = 0.0
    passed: bool = False


def each(hosts: Sequence[SiteHost], what: str, roles: Iterable[HostRole]) -> Iterator[HostAction]:
    """One action for each role, on each host that has it.

    Args:
        hosts: of the site.
        what: the verb, which the role follows.
        roles: in their order: one role on all hosts comes before the next role.
    """
    for role in roles:
        yield from (HostAction(host.name, f"{what} {role}") for host in hosts if role in host.roles)


@dataclass
class ActionRunner(Generic[Target]):
    """Takes actions, and adds each to the record.

    Args:
        record: what is done is added to it.
        act: does one action for one target; raises BringupError where it fails.
        show: gets a line for each action.
    """

    record: SiteChange[Target]
    act: Callable[[HostAction, Target], None]
    show: Callable[[str], object]

    def all(self, actions: Iterable[HostAction], target: Target) -> bool:
        """Take actions until one fails; whether none has."""
        return all(self.take(action, target) for action in actions)

    def every(self, actions: Iterable[HostAction], target: Target) -> bool:
        """Take all actions, also after one that fails: the way back must not end halfway. Whether none has failed."""
        taken = [self.take(action, target) for action in actions]
        return all(taken)

    def take(self, action: HostAction, target: Target) -> bool:
        """Take one action; whether it has not failed."""
        began, why = time.monotonic(), ""
        try:
            self.act(action, target)
        except errors.BringupError as error:
            why = str(error)
        took = time.monotonic() - began
        self.record.actions.append((action, took, why))
        self.show(f"{'FAILED ' if why else 'ok     '} {action.host}: {action.what} ({took:.1f} s){why and f': {why}'}")
        return not why


def run_on(host: str, command: str, *, ssh: str, stdin: Path | None = None) -> str:
    """What a command on another host printed.

    Args:
        host: its name.
        command: for the shell there.
        ssh: reaches a host, with ``{host}`` in it.
        stdin: a file that the command reads.

    Raises:
        HostCommandFailed: it has failed or does not end, or the host cannot be reached.
    """
    words = [*shlex.split(ssh.format(host=host)), command]
    with (stdin or Path("/dev/null")).open("rb") as given:
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own ssh, no shell here
                words, stdin=given, capture_output=True, text=True, timeout=_REMOTE_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise HostCommandFailed(f"{host}: `{command}` has not ended within {_REMOTE_S} s") from None
    if done.returncode:
        last = (done.stdout + done.stderr).strip().splitlines()[-_LINES:]
        raise HostCommandFailed("; ".join(last) or f"{words[0]}: status {done.returncode}")
    return done.stdout


class OutageMeter:
    """Asks the API again and again, by each of the settings, and measures for how long nobody answered.

    Args:
        settings: of a client; for a flip in each mode.
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
