"""Which upgrade or rollback a command begins or goes on with, and what it does on one host.

Each action is done by the program of the version that is put in force.
"""

import re
import shlex
import shutil
import sys
from datetime import datetime
from pathlib import Path

from bringup import __version__
from bringup_cli.site import host_system, init, redis_users
from bringup_cli.site.actions import HostAction
from bringup_cli.site.host_system import UNITS, HostCommandFailed
from bringup_cli.site.layout import HostLayout
from bringup_cli.site.registry import HostRole, Registry
from bringup_cli.site.upgrade import BY_THE_PRESENT, Direction, UpgradePhase, UpgradeState, require_neighbours
from bringup_cli.site.upgrade_bundle import ReleaseBundle, UpgradeRefused
from pki.store import Store

# Where each package of bringup is, in a folder of its version, and what names the one in force.
RELEASES = Path("/usr/lib/bringup")
_SHARED_DROP_INS = "bringup-.service.d/"
_SHARES_PORT = "--share-port"


def program_of(version: str) -> str:
    """The command of a version, whichever is in force."""
    return str(RELEASES / version / "bin/bringup")


def require_package() -> None:
    """Raises HostCommandFailed: this program was not installed by the package of its version."""
    program = Path(sys.argv[0]).resolve()
    if program != Path(program_of(__version__)):
        raise HostCommandFailed(
            f"{program} does not belong to the package bringup-{__version__}: only what `install` of a bundle has "
            "installed can be upgraded (docs/packages.md)"
        )


def switch(role: HostRole) -> None:
    """Let the services of a role run this version. Raises HostCommandFailed: one does not start."""
    name = _file_of(role)
    served = role in {HostRole.API, HostRole.IMAGES} and _shares_port(name)
    if served:
        _start_beside(name)
    _write_units({name, *_drop_ins()})
    host_system.start(host_system.instances(role), again=True)
    if served:
        _end_beside(name)


def select() -> None:
    """Put this version in force for people and timers: the command, and every unit that is of no role."""
    of_roles = {
        re.sub(r"@[^.]*", "@", unit) for role, unit in host_system.UNIT_OF.items() if role is not HostRole.REDIS
    }
    _write_units(host_system.unit_files().keys() - of_roles)
    fresh = RELEASES / ".bin.new"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(f"{__version__}/bin")
    fresh.replace(RELEASES / "bin")


def add_rights(layout: HostLayout) -> None:
    """Give the users of Redis the rights that this version needs, on the CA's host, which knows them all.

    Raises:
        SettingsError: a Redis of the site does not answer, or refuses.
    """
    known = Registry.read(Store(layout.ca))
    keeper = redis_users.Keeper(init.site_settings(layout), known.keeper)
    redis_users.require_everywhere(keeper, lambda address: keeper.add_rights(address, known))


def _file_of(role: HostRole) -> str:
    """The unit file of all services of a role."""
    return re.sub(r"@[^.]*", "@", host_system.UNIT_OF[role])


def _shares_port(unit: str) -> bool:
    """Whether the one that runs lets another one listen on its port: that of an older version does not."""
    path = UNITS / unit
    return path.exists() and _SHARES_PORT in path.read_text(encoding="utf-8")


def _start_beside(unit: str) -> None:
    """A second one of this version serves while the first one is restarted, so that no call is refused.

    It is ready before anything else changes: a version that does not even start ends nothing.
    """
    beside = _beside(unit)
    text = host_system.unit_files()[unit].partition("[Install]")[0]
    (UNITS / beside).write_text(text.replace("Description=", "Description=in an upgrade, "), encoding="utf-8")
    drop_ins = UNITS / f"{unit}.d"
    if drop_ins.is_dir():  # what the operator has added
        shutil.copytree(drop_ins, UNITS / f"{beside}.d", dirs_exist_ok=True)
    host_system.run("systemctl", "daemon-reload")
    try:
        host_system.start([beside], again=True)
    except HostCommandFailed:
        _end_beside(unit)
        raise


def _end_beside(unit: str) -> None:
    beside = _beside(unit)
    host_system.stop([beside])
    (UNITS / beside).unlink(missing_ok=True)
    shutil.rmtree(UNITS / f"{beside}.d", ignore_errors=True)
    host_system.run("systemctl", "daemon-reload")


def _beside(unit: str) -> str:
    return unit.replace(".service", "-upgrade.service")


def _drop_ins() -> set[str]:
    """What all services share."""
    return {name for name in host_system.unit_files() if name.startswith(_SHARED_DROP_INS)}


def _write_units(names: set[str]) -> None:
    for name, text in host_system.unit_files().items():
        if name in names:
            path = UNITS / name
            path.parent.mkdir(mode=0o755, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            path.chmod(0o644)
    host_system.run("systemctl", "daemon-reload")


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
    """A new upgrade, or the one that was interrupted, or the one that has put this very bundle in force.

    Args:
        last: upgrade or rollback of this site.
        release: what it is to run.
        now: the time.

    Raises:
        UpgradeRefused: another one was interrupted, or the versions are no neighbours.
    """
    is_open = last is not None and last.phase is not UpgradePhase.ENDED
    if last and last.digest == release.digest and (is_open or last.passed):
        return last
    if last and is_open:
        raise UpgradeRefused(
            f"the {last.direction} to {last.after} was interrupted: run it again, or `bringup site rollback`"
        )
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
