"""``bringup site upgrade`` and ``rollback``: from one version to its neighbour on a running site, and back.

The new version is installed beside the old one. Then one service after the other changes: the API first, for it reads
what older clients send, and an older one refuses what newer clients send. A rollback takes the reverse order. Each
action may be repeated, and what was done is on disk: after a kill the command goes on.

The program of a version does its own actions: so each version writes its own unit files, also on the way back.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from bringup.errors import SettingsError
from bringup.files import write_atomically
from bringup_cli.site.actions import ActionRunner, HostAction, SiteChange, SiteHost, each
from bringup_cli.site.registry import HostRole
from bringup_cli.site.upgrade_bundle import UpgradeRefused

# The API before its clients; tailers last, for they wait least for anything that is new.
_ORDER = (HostRole.API, HostRole.IMAGES, HostRole.CONSOLE, HostRole.WORKER, HostRole.TAILER)
# By the program that is there before; every other action by that of the version that is put in force.
BY_THE_PRESENT = frozenset({"test-before", "receive", "install"})
STATE_FILE = "upgrade.json"


class Direction(StrEnum):
    """Which way a site goes."""

    UPGRADE = "upgrade"
    ROLLBACK = "rollback"


class UpgradePhase(StrEnum):
    """How far it is."""

    FORWARD = "forward"
    BACK = "back"  # it was not green: the version before is put in force again
    ENDED = "ended"


class ActionTaken(BaseModel):
    """One action, its seconds, and why it failed; empty: it did not."""

    model_config = ConfigDict(extra="ignore")

    host: str
    what: str
    seconds: float
    failed: str


class UpgradeState(BaseModel):
    """An upgrade or a rollback, as it is kept on the disk of the CA's host.

    Args:
        before, after: the versions.
        digest: of the bundle; empty for a rollback, which needs none.
        went_back, restored: it was undone; and the self-test of the version before has passed then.
        done: the actions that were taken and need not be again, each with its version.
        actions: all that were taken, for the report.
        outage_s: the longest time for which the API did not answer, before a kill and after it.
    """

    model_config = ConfigDict(extra="ignore")

    direction: Direction
    before: str
    after: str
    digest: str = ""
    began_at: datetime
    phase: UpgradePhase = UpgradePhase.FORWARD
    went_back: bool = False
    restored: bool = False
    passed: bool = False
    done: list[str] = []
    actions: list[ActionTaken] = []
    outage_s: float = 0.0

    @classmethod
    def read(cls, path: Path) -> "UpgradeState | None":
        """The last one; None: there was none. Raises SettingsError: it cannot be read."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError:
            raise SettingsError([f"{path} cannot be read: move it away; then no rollback is known"]) from None

    def write(self, path: Path) -> None:
        """Keep it: after a kill it is gone on from here."""
        write_atomically(path, self.model_dump_json(indent=1) + "\n", sole_writer=True)

    def record(self) -> SiteChange[str]:
        """What was done, for the report."""
        taken = [(HostAction(one.host, one.what), one.seconds, one.failed) for one in self.actions]
        changes = {"site": [f"bringup {self.before} -> {self.after}"]}
        return SiteChange(
            self.after, self.began_at, changes, taken, self.went_back, outage_s=self.outage_s, passed=self.passed
        )


def preparation(hosts: Sequence[SiteHost], direction: Direction, here: str) -> list[HostAction]:
    """What changes nothing that runs: versions come to be beside each other, and users of Redis get more rights.

    Args:
        hosts: of the site.
        direction: which way.
        here: the CA's host, which has the bundle.
    """
    installing = [
        # What is not green before would be taken for a fault of the new version, and send the site back.
        *(HostAction(host.name, "test-before") for host in hosts),
        *(HostAction(host.name, "receive") for host in hosts if host.name != here),
        *(HostAction(host.name, "install") for host in hosts),
    ]
    checks = [HostAction(host.name, "check") for host in hosts]
    if direction is Direction.ROLLBACK:
        return checks  # the version before needs no right that it did not have
    return [*installing, *checks, HostAction(here, "rights")]


def plan(hosts: Sequence[SiteHost], direction: Direction) -> list[HostAction]:
    """What puts a version in force, and tests it."""
    selections = [HostAction(host.name, "select") for host in hosts]
    tests = [HostAction(host.name, "test") for host in hosts]
    if direction is Direction.UPGRADE:
        return [*each(hosts, "switch", _ORDER), *selections, *tests]
    return [*selections, *each(hosts, "switch", tuple(reversed(_ORDER))), *tests]


def require_neighbours(before: str, after: str) -> None:
    """Raises UpgradeRefused: they are no neighbours, for the first number differs, or the second by more than one."""
    old, new = _numbers(before), _numbers(after)
    if new <= old:
        raise UpgradeRefused(f"{after} is not newer than {before}, which is here: `bringup site rollback` goes back")
    if old[0] != new[0] or new[1] - old[1] > 1:
        raise UpgradeRefused(
            f"{before} and {after} are no neighbours, and need not read each other's records: "
            "upgrade to the versions in between, one after the other (CHANGELOG)"
        )


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    if len(parts) < 2 or not all(part.isdigit() for part in parts[:2]):
        raise UpgradeRefused(f"{version!r} is no version of a release")
    return tuple(int(part) if part.isdigit() else 0 for part in parts)


def apply(
    state: UpgradeState,
    hosts: Sequence[SiteHost],
    act: Callable[[HostAction, str], None],
    show: Callable[[str], object],
    save: Callable[[UpgradeState], object],
    *,
    here: str,
) -> None:
    """Go to the other version, or go on with that; and go back where it is not green.

    Args:
        state: what was done is added to it.
        hosts: of the site.
        act: does one action by the program of one version; raises BringupError where it fails.
        show: gets a line for each action.
        save: keeps the state; called whenever it has changed.
        here: the host that has the bundle.
    """
    going = _Going(state, act, show, save)
    if state.phase is UpgradePhase.FORWARD:
        going.forward(hosts, here)
    if state.phase is UpgradePhase.BACK:
        show(f"It is not green: going back to {state.before}")
        state.went_back = True
        state.restored = going.back(plan(hosts, Direction.ROLLBACK))
    state.phase = UpgradePhase.ENDED
    save(state)


class _Going:
    """Takes what was not taken yet, and keeps each action when it was."""

    def __init__(
        self,
        state: UpgradeState,
        act: Callable[[HostAction, str], None],
        show: Callable[[str], object],
        save: Callable[[UpgradeState], object],
    ) -> None:
        self._state, self._save = state, save
        self._run = ActionRunner(state.record(), act, show)

    def forward(self, hosts: Sequence[SiteHost], here: str) -> None:
        """To the new version. Where the preparation fails it ends, for nothing that runs was changed."""
        state = self._state
        if not self._all(preparation(hosts, state.direction, here), state.after):
            return
        state.passed = self._all(plan(hosts, state.direction), state.after)
        # A person who rolls back has a reason: the newer version is not put in force again by itself.
        if not state.passed and state.direction is Direction.UPGRADE:
            state.phase = UpgradePhase.BACK
            self._save(state)

    def back(self, actions: Sequence[HostAction]) -> bool:
        """To the version before: all actions, also after one that fails. Whether none has."""
        taken = [self._take(action, self._state.before) for action in self._left(actions, self._state.before)]
        return all(taken)

    def _all(self, actions: Sequence[HostAction], version: str) -> bool:
        return all(self._take(action, version) for action in self._left(actions, version))

    def _left(self, actions: Sequence[HostAction], version: str) -> Iterator[HostAction]:
        return (action for action in actions if _name(action, version) not in self._state.done)

    def _take(self, action: HostAction, version: str) -> bool:
        good = self._run.take(action, version)
        _, seconds, failed = self._run.record.actions[-1]
        taken = ActionTaken(host=action.host, what=action.what, seconds=seconds, failed=failed)
        self._state.actions.append(taken)
        if good:
            self._state.done.append(_name(action, version))
        self._save(self._state)
        return good


def _name(action: HostAction, version: str) -> str:
    return f"{version} {action.host} {action.what}"
