"""A host's users and systemd, as far as `bringup site` sees them: it can end before any call of the system."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bringup_cli.site import host_system, init, layout, redis_users
from bringup_cli.site.bundle import env_file
from bringup_cli.site.init import FirstHost
from bringup_cli.site.registry import HostRole
from bringup_cli.site.steps import HostStep
from tests.unit.bringup_cli.killing import Killed, contents

ROLES = (HostRole.REDIS, HostRole.API, HostRole.WORKER, HostRole.TAILER)
HOST = FirstHost("h1", "192.0.2.10", ROLES, "dnsmasq-log", Path("/var/log/dnsmasq.log"))
_ROLE_OF = {unit: role for role, unit in host_system.UNIT_OF.items()}
_ENDS_BY_ITSELF = ("bringup-sign.service",)  # Type=oneshot


class FakeHost:
    """An empty host, in folders of a test.

    Args:
        patch: ends with the test.
        folder: for its files.
    """

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.folder = folder
        self.layout = layout.HostLayout(folder / "etc/bringup", folder / "var/lib/bringup")
        self.units = folder / "etc/systemd/system"
        self._credentials = folder.with_name(f"{folder.name}-run")
        self.forget()
        patch.setattr(host_system, "UNITS", self.units)
        patch.setattr(host_system, "CREDENTIALS", self._credentials)
        patch.setattr(host_system, "run", self.run)
        patch.setattr(layout, "give", lambda _owners: None)
        patch.setattr(host_system, "give_file", lambda _path, _user: None)
        patch.setattr(redis_users, "everywhere", lambda *_: self.run("redis", "users") and {})
        patch.setattr("pwd.getpwall", lambda: [SimpleNamespace(pw_name=name) for name in self.users])
        patch.setattr("grp.getgrall", lambda: [SimpleNamespace(gr_name=name) for name in self.groups])

    def forget(self) -> None:
        """Be an empty host, which nothing kills."""
        for path in (self.folder, self._credentials):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self.units, self.layout.config.parent, self.layout.state.parent):
            path.mkdir(parents=True, exist_ok=True)
        self.calls: list[str] = []
        self.kill_at: int | None = None
        self.users: set[str] = set()
        self.groups: set[str] = set()
        self.enabled: set[str] = set()
        self.running: dict[str, str] = {}  # by unit: the settings that it has read
        self.loaded: dict[str, bytes] = {}  # the unit files, as systemd has read them

    def run(self, *command: str, check: bool = True) -> str:
        """As `host_system.run`."""
        del check
        if len(self.calls) == self.kill_at:
            raise Killed
        self.calls.append(" ".join(command))
        words = [word for word in command if not word.startswith("-")]
        {"groupadd": self._add_group, "useradd": self._add_user, "systemctl": self._systemctl}.get(
            words[0], lambda _words: None
        )(words[1:])
        return ""

    def kill(self, number: int | None) -> None:
        """End before the system call of this number, counted from now; None: before none."""
        self.calls.clear()
        self.kill_at = number

    def init(self) -> list[HostStep]:
        """The steps of `site init`."""
        return init.steps(self.layout, HOST, lambda: datetime.now(UTC))

    def files(self) -> dict[str, bytes]:
        """Every file of the host."""
        return contents(self.folder)

    def state(self) -> dict[str, Any]:
        """All that a person could tell two hosts apart by, but secrets, keys and times."""
        return {
            "users": self.users | {f"group {name}" for name in self.groups},
            "enabled": self.enabled,
            "running": set(self.running),
            "files": set(self.files()),
            "units": self.loaded,
        }

    def settings_of(self, unit: str) -> str:
        """What a unit would read if it started now; empty: it reads none of ours."""
        role = _ROLE_OF.get(unit)
        path = self.layout.config / env_file(role) if role else None
        return path.read_text() if path and path.exists() else ""

    def _add_group(self, words: list[str]) -> None:
        self.groups.add(words[-1])

    def _add_user(self, words: list[str]) -> None:
        self.users.add(words[-1])

    def _systemctl(self, words: list[str]) -> None:
        verb, units = words[0], words[1:]
        for unit in units if verb in {"stop", "disable", "restart"} else ():
            self.running.pop(unit, None)
            shutil.rmtree(self._credentials / unit, ignore_errors=True)
        for unit in units if verb in {"start", "restart"} else ():
            if unit not in self.running and unit not in _ENDS_BY_ITSELF:
                self._start(unit)
        if verb in {"enable", "daemon-reload"}:  # systemctl(1): enable lets systemd read its files again, too
            self.loaded = contents(self.units)
        if verb == "enable":
            self.enabled |= set(units)
        if verb == "disable":
            self.enabled -= set(units)

    def _start(self, unit: str) -> None:
        self.running[unit] = self.settings_of(unit)
        copy = self._credentials / unit / "settings.env"
        if self.running[unit] and unit != host_system.UNIT_OF[HostRole.REDIS]:
            copy.parent.mkdir(parents=True)
            copy.write_text(self.running[unit])
