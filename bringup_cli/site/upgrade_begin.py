"""Which upgrade or rollback a command begins, or goes on with; and what does each of its actions."""

import shlex
from datetime import datetime

from bringup import __version__
from bringup_cli.site.actions import HostAction
from bringup_cli.site.upgrade import BY_THE_PRESENT, Direction, UpgradePhase, UpgradeState, require_neighbours
from bringup_cli.site.upgrade_bundle import ReleaseBundle, UpgradeRefused
from bringup_cli.site.upgrade_host import program_of


def command_of(state: UpgradeState, action: HostAction, version: str) -> str:
    """What does an action on its host, for a shell.

    Args:
        state: the versions, and the bundle.
        action: what is done.
        version: that is put in force.
    """
    verb = action.what.partition(" ")[0]
    program = program_of(state.before if verb in BY_THE_PRESENT else version)
    digest = f" --digest {state.digest}" if verb == "receive" else ""
    return f"{program} site upgrade --step {shlex.quote(action.what)}{digest}"


def upgrade_to(last: UpgradeState | None, release: ReleaseBundle, now: datetime) -> UpgradeState:
    """A new upgrade, or the one that was interrupted.

    Args:
        last: upgrade or rollback of this site.
        release: what it is to run.
        now: the time.

    Raises:
        UpgradeRefused: another one was interrupted, or the versions are no neighbours.
    """
    if last and last.phase is not UpgradePhase.ENDED:
        if last.digest != release.digest:
            raise UpgradeRefused(
                f"the {last.direction} to {last.after} was interrupted: run it again, or `bringup site rollback`"
            )
        return last
    require_neighbours(__version__, release.version)
    return UpgradeState(
        direction=Direction.UPGRADE, before=__version__, after=release.version, digest=release.digest, began_at=now
    )


def rollback_of(last: UpgradeState | None, now: datetime) -> UpgradeState:
    """A new rollback, or the way back of an interrupted upgrade. Raises UpgradeRefused: nothing to go back from."""
    if last is None:
        raise UpgradeRefused("`bringup site upgrade` has not run here: there is no version before")
    fresh = {"done": [], "actions": [], "began_at": now}
    if last.phase is not UpgradePhase.ENDED:
        is_upgrade = last.direction is Direction.UPGRADE
        return last.model_copy(update={"phase": UpgradePhase.BACK}) if is_upgrade else last
    if last.direction is Direction.ROLLBACK and not last.passed:
        return last.model_copy(update=fresh | {"phase": UpgradePhase.FORWARD})
    if last.went_back and not last.restored:
        return last.model_copy(update=fresh | {"phase": UpgradePhase.BACK})
    if last.direction is Direction.ROLLBACK or not last.passed:
        raise UpgradeRefused(f"the last {last.direction} has left nothing to go back from: {__version__} is in force")
    return UpgradeState(direction=Direction.ROLLBACK, before=last.after, after=last.before, began_at=now)
