"""What `bringup site init`, `join`, `remove` and `flip` do to a host's users and service units."""

import grp
import os
import pwd
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path

from bringup.errors import BringupError
from bringup_cli.site.layout import STATE
from bringup_cli.site.registry import HostRole

UNITS = Path("/etc/systemd/system")
# Where systemd copies the settings of a service to, at its start: LoadCredential= in the unit files.
CREDENTIALS = Path("/run/credentials")
_CREDENTIAL = "settings.env"
TARGET = "bringup.target"
# In the order in which they start; a stop takes the reverse. Tailers start last and stop first: the file of the DHCP
# server keeps what comes meanwhile.
UNIT_OF = {
    HostRole.REDIS: "bringup-redis.service",
    HostRole.API: "bringup-api.service",
    HostRole.IMAGES: "bringup-images.service",
    HostRole.CONSOLE: "bringup-console.service",
    HostRole.WORKER: "bringup-work@1.service",
    HostRole.TAILER: "bringup-tail@main.service",
}
RENEW, SIGN, CRL = "bringup-renew.timer", "bringup-sign.timer", "bringup-crl.timer"
# The one role of a host whose daily self-test is posted to the API: what calls the API by its own right comes first.
_TESTED = (HostRole.WORKER, HostRole.CONSOLE, HostRole.API, HostRole.TAILER, HostRole.IMAGES, HostRole.REDIS)
_PROGRAM = "/usr/bin/bringup"  # as the unit files name it
# Seconds for one command of systemd. Starting Redis waits until it has read its append-only file.
_COMMAND_S = 1800


class HostCommandFailed(BringupError):
    """A command of the host's own has failed; the message has what it printed."""


def service_units(roles: Iterable[HostRole]) -> list[str]:
    """The units of services, in the order in which they start."""
    wanted = set(roles)
    return [unit for role, unit in UNIT_OF.items() if role in wanted]


def timers(roles: Iterable[HostRole], *, has_ca: bool) -> list[str]:
    """The timers of a host.

    Args:
        roles: what runs there.
        has_ca: whether it is the CA's host.
    """
    wanted = set(roles)
    tested = next((role for role in _TESTED if role in wanted), None)
    selftest = [f"bringup-selftest@{tested}.timer"] if tested else []
    return [RENEW, *((SIGN, CRL) if has_ca else ()), *selftest]


def unit_files() -> dict[str, str]:
    """Every unit file by its path below the folder of units; they name the program that runs now."""
    folder = _packaged()
    program = str(Path(sys.argv[0]).resolve()) if Path(sys.argv[0]).name == "bringup" else shutil.which("bringup")
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            found[str(path.relative_to(folder))] = text.replace(f"={_PROGRAM} ", f"={program or _PROGRAM} ")
    return found


def _packaged() -> Path:
    """Beside this module in a wheel, in deploy/ in a checkout."""
    beside = Path(__file__).with_name("systemd")
    return beside if beside.is_dir() else Path(__file__).parents[2] / "deploy/systemd"


def is_running_systemd() -> bool:
    """Whether systemd is this host's service manager. Source: sd_booted(3)."""
    return Path("/run/systemd/system").is_dir()


def run(*command: str, check: bool = True) -> str:
    """What a command printed. Raises HostCommandFailed: it failed, does not end, or is not there."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed programs, no shell
            command, capture_output=True, text=True, timeout=_COMMAND_S, check=False, env={**os.environ, "LC_ALL": "C"}
        )
    except FileNotFoundError:
        raise HostCommandFailed(f"{command[0]} is not installed on this host") from None
    except subprocess.TimeoutExpired:
        raise HostCommandFailed(f"`{' '.join(command)}` has not ended within {_COMMAND_S} s, and was ended") from None
    if check and done.returncode:
        raise HostCommandFailed(f"`{' '.join(command)}` has failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def missing_users(names: Iterable[str]) -> list[str]:
    """Those that this host does not have, or whose group it does not have: useradd may have been killed in between."""
    users, groups = {one.pw_name for one in pwd.getpwall()}, {one.gr_name for one in grp.getgrall()}
    return [name for name in names if name not in users or name not in groups]


def add_users(names: Iterable[str]) -> None:
    """Users for services, each with a group of its own: no home, no login. Raises HostCommandFailed."""
    for name in names:
        run("groupadd", "--system", "--force", name)
        if name not in {one.pw_name for one in pwd.getpwall()}:
            place = ("--no-create-home", "--home-dir", str(STATE), "--shell", "/usr/sbin/nologin")
            run("useradd", "--system", "--gid", name, *place, name)
        else:
            run("usermod", "--gid", name, name)


def start(units: Sequence[str], *, again: bool = False) -> None:
    """Start units one after the other; each is ready when the next one starts.

    Args:
        units: their names.
        again: stop those that run.

    Raises:
        HostCommandFailed: one did not start; the message has the end of its log.
    """
    for unit in units:
        try:
            _start_one(unit, again=again)
        except HostCommandFailed as error:
            last = run("journalctl", "--unit", unit, "--lines", "5", "--output", "cat", "--no-pager", check=False)
            raise HostCommandFailed(f"{error}\nThe last lines of its log:\n{last.strip()}") from None


def instances(role: HostRole) -> list[str]:
    """The units of a role on this host: a person may have enabled further workers and tailers."""
    pattern = re.sub(r"@[^.]*", "@*", UNIT_OF[role])
    enabled = sorted(path.name for path in (UNITS / f"{TARGET}.wants").glob(pattern))
    return enabled or [UNIT_OF[role]]


def has_read(unit: str, settings: Path) -> bool:
    """Whether a unit that runs uses these settings as they are now; one that does not run will read them."""
    copy = CREDENTIALS / unit / _CREDENTIAL
    return not copy.exists() or copy.read_bytes() == settings.read_bytes()


def _start_one(unit: str, *, again: bool) -> None:
    """Twice, where it must be: on a busy host systemd itself may fail to make the process of a unit (status 219)."""
    try:
        run("systemctl", "restart" if again else "start", unit)
    except HostCommandFailed:
        time.sleep(1)
        run("systemctl", "start", unit)


def stop(units: Sequence[str]) -> None:
    """Stop units, one after the other; those that are not there are stopped already."""
    for unit in units:
        run("systemctl", "stop", unit, check=False)


def disable(units: Sequence[str]) -> None:
    """Stop units, and let no boot start them."""
    for unit in units:
        run("systemctl", "disable", "--now", "--quiet", unit, check=False)


def units_are_installed() -> bool:
    """Whether the unit files here are those of this version."""
    return all(
        (UNITS / name).exists() and (UNITS / name).read_text(encoding="utf-8") == text
        for name, text in unit_files().items()
    )


def install_units() -> None:
    """Write the unit files, and let systemd read them. Raises HostCommandFailed, OSError."""
    for name, text in unit_files().items():
        path = UNITS / name
        path.parent.mkdir(mode=0o755, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
    run("systemctl", "daemon-reload")


def permit_addresses(names: Iterable[str]) -> None:
    """Let the unit that renews certificates reach these, besides this host itself; a name may have any address."""
    path = UNITS / "bringup-renew.service.d/addresses.conf"
    lines = sorted({name if _is_address(name) else "any" for name in names})
    path.write_text("[Service]\n" + "".join(f"IPAddressAllow={line}\n" for line in lines), encoding="utf-8")
    path.chmod(0o644)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def remove_units() -> None:
    """Remove the unit files of this version, and the folders of drop-ins that are empty then."""
    names = [*unit_files(), "bringup-renew.service.d/addresses.conf"]
    for name in names:
        (UNITS / name).unlink(missing_ok=True)
    for folder in {(UNITS / name).parent for name in names} - {UNITS}:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    run("systemctl", "daemon-reload")


def give_file(path: Path, user: str) -> None:
    """Let a file belong to a user of this host; as another user than root nothing is done."""
    if os.geteuid() == 0:
        shutil.chown(path, user, user)
