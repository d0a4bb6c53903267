"""``bringup site upgrade`` and ``rollback`` are killed between any two steps, and the same command finishes them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from bringup.errors import TransientError
from bringup_cli.commands import site_upgrade
from bringup_cli.site import upgrade_bundle, upgrade_report
from bringup_cli.site.actions import HostAction
from bringup_cli.site.upgrade import STATE_FILE, Direction, UpgradePhase, UpgradeState
from tests.unit.bringup_cli.killing import Killed
from tests.unit.bringup_cli.site.ca_host import NEWER, CaHost

WHOLE = ("test-before", "install", "check", "rights", "switch api", "select", "test")
# What a command does: it can end before each of these, and after it.
STEPS = (
    (upgrade_bundle, "unpack"),
    (site_upgrade._Site, "act"),
    (upgrade_report, "write"),
    (site_upgrade._Site, "save"),
)


class Kills:
    """Ends the process at the moment of one number, counted from the last `at`, once."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._left = -1
        for owner, name in STEPS:
            patch.setattr(owner, name, self._killable(getattr(owner, name)))

    def at(self, number: int, command: Callable[[], Result]) -> bool:
        """Whether the command was killed at this moment; it has ended before it otherwise."""
        self._left = number
        try:
            command()
        except Killed:
            return True
        finally:
            self._left = -1
        return False

    def _killable(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any) -> Any:
            self._pass()
            found = real(*args)
            self._pass()
            return found

        return step

    def _pass(self) -> None:
        self._left -= 1
        if self._left == -1:
            raise Killed


@pytest.fixture
def kills(host: CaHost, monkeypatch: pytest.MonkeyPatch) -> Kills:
    return Kills(monkeypatch)


def again(host: CaHost) -> None:
    """Forget what has happened."""
    (host.site().folder / STATE_FILE).unlink(missing_ok=True)
    host.done.clear()


def last(host: CaHost) -> UpgradeState:
    found = host.site().last()
    assert found
    return found


def test_an_upgrade_that_is_killed_at_any_moment_is_finished_by_the_same_command(host: CaHost, kills: Kills) -> None:
    moment = 0
    while kills.at(moment, host.upgrade):
        finished = host.upgrade()
        assert (finished.exit_code, moment) == (0, moment), finished.output
        assert finished.output.count(f"The site runs {NEWER} now") == 1
        assert (last(host).phase, last(host).passed) == (UpgradePhase.ENDED, True)
        assert set(host.done) == {f"h1 {what}" for what in WHOLE}
        assert len(host.done) <= len(WHOLE) + 1  # the action at which it was killed, once more
        moment += 1
        again(host)
    assert moment > 2 * len(WHOLE)


def test_an_upgrade_that_goes_back_does_so_after_a_kill_at_any_moment(
    host: CaHost, kills: Kills, monkeypatch: pytest.MonkeyPatch
) -> None:
    act = site_upgrade._Site.act

    def not_green(site: site_upgrade._Site, state: UpgradeState, action: HostAction, version: str) -> None:
        act(site, state, action, version)
        if (action.what, version) == ("test", NEWER):
            raise TransientError("it is not green")

    monkeypatch.setattr(site_upgrade._Site, "act", not_green)
    moment = 0
    while kills.at(moment, host.upgrade):
        finished = host.upgrade()
        assert (finished.exit_code, moment) == (1, moment), finished.output
        assert (last(host).phase, last(host).went_back, last(host).restored) == (UpgradePhase.ENDED, True, True)
        moment += 1
        again(host)
    assert moment > 3 * len(WHOLE)


def test_a_rollback_that_is_killed_at_any_moment_is_finished_by_the_same_command(host: CaHost, kills: Kills) -> None:
    host.upgrade()
    upgraded = last(host)
    moment = 0
    while kills.at(moment, host.rollback):
        has_ended = last(host).direction is Direction.ROLLBACK and last(host).phase is UpgradePhase.ENDED
        if not has_ended:  # otherwise its report has been shown
            finished = host.rollback()
            assert (finished.exit_code, moment) == (0, moment), finished.output
        assert (last(host).direction, last(host).passed) == (Direction.ROLLBACK, True)
        moment += 1
        host.site().save(upgraded)
    assert moment > len(WHOLE)


def test_an_upgrade_that_is_in_force_is_reported_and_not_repeated(host: CaHost) -> None:
    first = host.upgrade()
    host.done.clear()
    second = host.upgrade()
    assert (second.exit_code, host.done) == (0, [])
    assert second.output in first.output


def test_the_report_for_programs_is_apart_from_what_shows_its_progress(host: CaHost) -> None:
    shown = host.upgrade("--output", "json")
    assert json.loads(shown.stdout)["passed"] is True
    assert "h1: switch api" in shown.stderr


def test_the_outage_before_a_kill_is_in_the_report(host: CaHost, kills: Kills) -> None:
    host.meter.longest_s = 2.5
    kills.at(9, host.upgrade)
    host.meter.longest_s = 0.0
    assert "did not answer for 2.5 s at most" in host.upgrade().output
