"""A flip of one host, with its files: killed anywhere, not green, or only tried."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bringup_cli.commands import site_flip
from bringup_cli.root import cli
from bringup_cli.site import flip, host_system, steps
from bringup_cli.site.actions import HostAction, SiteHost
from bringup_cli.site.flip_files import FlipMode, settings_files
from bringup_cli.site.host_files import HostFolder
from tests.unit.bringup_cli.killing import Killed
from tests.unit.bringup_cli.site.fake_host import ROLES, FakeHost

HOSTS = [SiteHost("h1", ROLES)]
ACTIONS = len(flip.plan(HOSTS)) + 2  # and the check before it, and the test after it
SERVICES = host_system.service_units(ROLES)


class Flipping:
    """A host in production, and what its self-tests answer."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.host = FakeHost(patch, folder)
        steps.apply(self.host.init(), lambda _line: None)
        self.begin = self.host.files()
        self.red: set[FlipMode] = set()  # the modes in which the self-test fails
        patch.setattr(site_flip, "_check", lambda *_: None)
        patch.setattr(site_flip, "examine", lambda *_: "red" if self.mode in self.red else "green")
        patch.setattr(site_flip, "require_passed", self._require_passed)
        patch.setattr(site_flip, "_refuse_running_machines", lambda *_: None)
        patch.setattr(site_flip, "HostLayout", lambda: self.host.layout)
        patch.setattr(site_flip, "require_units", lambda *_, **_all: None)
        patch.setattr(site_flip, "OutageMeter", NoMeter)

    @property
    def mode(self) -> FlipMode:
        """By the files of the host."""
        is_tls = "REDIS_USE_TLS=true" in self.host.layout.site_settings.read_text()
        return FlipMode.PRODUCTION if is_tls else FlipMode.DEVELOPMENT

    def flip(self, mode: FlipMode, kill_at: int | None = None) -> flip.FlipRecord:
        here = HostFolder.read(self.host.layout.config).manifest
        actor, record = site_flip._Actor(self.host.layout, here, None), flip.FlipRecord(mode, datetime.now(UTC))
        count = iter(range(1000))

        def act(action: HostAction, wanted: FlipMode) -> None:
            if next(count) == kill_at:
                raise Killed
            actor(action, wanted)

        flip.flip(record, HOSTS, act, lambda _line: None)
        return record

    def require_whole(self, mode: FlipMode) -> None:
        """Every file is that of one mode, and every service runs with the files as they are."""
        for path in settings_files(self.host.layout, ROLES):
            flag = str(mode is FlipMode.PRODUCTION).lower()
            assert f"REDIS_USE_TLS={flag}\nAPI_USE_TLS={flag}\n" in _sorted_flags(path.read_text()), path
        tls_port = "tls-port 6379" in (self.host.layout.config / "redis/redis.conf").read_text()
        assert tls_port == (mode is FlipMode.PRODUCTION)
        for unit in SERVICES:
            assert self.host.running[unit] == self.host.settings_of(unit), unit
        assert (host_system.RENEW in self.host.running) == (mode is FlipMode.PRODUCTION)

    def _require_passed(self, results: object, what: str) -> None:
        if results == "red":
            raise host_system.HostCommandFailed(what)


class NoMeter:
    """Nothing is asked: there is no API."""

    longest_s = 0.0

    def __init__(self, _settings: object) -> None: ...

    def __enter__(self) -> "NoMeter":
        return self

    def __exit__(self, *_: object) -> None: ...


def _sorted_flags(text: str) -> str:
    """The two switches, one after the other."""
    lines = [line for line in text.splitlines() if line.startswith(("REDIS_USE_TLS=", "API_USE_TLS="))]
    return "".join(f"{line}\n" for line in sorted(lines, reverse=True))


@pytest.fixture
def flipping(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Flipping:
    return Flipping(monkeypatch, tmp_path / "host")


def test_a_flip_and_a_flip_back_leave_every_file_as_it_was(flipping: Flipping) -> None:
    for mode in (FlipMode.DEVELOPMENT, FlipMode.PRODUCTION):
        assert flipping.flip(mode).passed
        flipping.require_whole(mode)
    assert flipping.host.files() == flipping.begin


@pytest.mark.parametrize("number", range(ACTIONS))
def test_a_flip_that_was_killed_before_an_action_is_completed_by_the_next(flipping: Flipping, number: int) -> None:
    with pytest.raises(Killed):
        flipping.flip(FlipMode.DEVELOPMENT, kill_at=number)
    assert flipping.flip(FlipMode.DEVELOPMENT).passed
    flipping.require_whole(FlipMode.DEVELOPMENT)
    assert flipping.flip(FlipMode.PRODUCTION).passed
    assert flipping.host.files() == flipping.begin


@pytest.mark.parametrize("number", range(ACTIONS))
def test_a_flip_that_was_killed_before_an_action_is_undone_by_a_flip_back(flipping: Flipping, number: int) -> None:
    with pytest.raises(Killed):
        flipping.flip(FlipMode.DEVELOPMENT, kill_at=number)
    assert flipping.flip(FlipMode.PRODUCTION).passed
    flipping.require_whole(FlipMode.PRODUCTION)
    assert flipping.host.files() == flipping.begin


def test_a_flip_that_is_not_green_goes_back_to_the_same_files_and_services_that_use_them(flipping: Flipping) -> None:
    flipping.red = {FlipMode.DEVELOPMENT}
    record = flipping.flip(FlipMode.DEVELOPMENT)
    assert (record.passed, record.went_back) == (False, True)
    assert flipping.host.files() == flipping.begin
    flipping.require_whole(FlipMode.PRODUCTION)


def command(*options: str) -> Any:
    return CliRunner().invoke(cli, ["site", "flip", "development", *options], catch_exceptions=False)


def test_the_command_reports_that_it_went_back(flipping: Flipping) -> None:
    flipping.red = {FlipMode.DEVELOPMENT}
    done = command()
    assert done.exit_code == 1
    assert "The site went back to production" in done.output
    assert len(list((flipping.host.layout.state / "flips").iterdir())) == 2


def test_a_dry_run_shows_what_would_change_and_changes_nothing(flipping: Flipping) -> None:
    flipping.host.kill(None)
    running = dict(flipping.host.running)
    done = command("--dry-run")
    assert done.exit_code == 0
    assert "REDIS_USE_TLS: true -> false" in done.output
    assert "would do: h1: restart redis" in done.output
    assert flipping.host.calls == []
    assert flipping.host.files() == flipping.begin
    assert flipping.host.running == running


def test_without_dry_run_the_same_command_changes_the_site(flipping: Flipping) -> None:
    assert command().exit_code == 0
    flipping.require_whole(FlipMode.DEVELOPMENT)
