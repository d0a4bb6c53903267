"""What an upgrade does on one host, by the program of the version that is put in force."""

import re
import shutil
import sys
from pathlib import Path

from bringup import __version__
from bringup_cli.site import host_system
from bringup_cli.site.host_system import UNITS, HostCommandFailed
from bringup_cli.site.registry import HostRole

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
