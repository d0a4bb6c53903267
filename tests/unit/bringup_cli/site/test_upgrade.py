"""An upgrade of a site: in which order it changes what, that it goes back by itself, and goes on after a kill."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bringup.errors import SettingsError, TransientError
from bringup_cli.site import upgrade_report
from bringup_cli.site.actions import HostAction, SiteHost
from bringup_cli.site.registry import HostRole
from bringup_cli.site.upgrade import Direction, UpgradePhase, UpgradeState, apply, plan, preparation, require_neighbours
from bringup_cli.site.upgrade_bundle import UpgradeRefused
from tests.unit.bringup_cli.killing import Killed

OLD, NEW = "0.1.0", "0.2.0"
HOSTS = (
    SiteHost("h1", (HostRole.REDIS, HostRole.API, HostRole.WORKER, HostRole.TAILER)),
    SiteHost("h2", (HostRole.API, HostRole.WORKER)),
)
PREPARED = [f"{host} {what}" for what in ("test-before", "receive", "install", "check") for host in ("h1", "h2")]
PREPARED += ["h1 rights"]
PREPARED.remove("h1 receive")  # it has the bundle


def state_of(direction: Direction = Direction.UPGRADE) -> UpgradeState:
    before, after = (OLD, NEW) if direction is Direction.UPGRADE else (NEW, OLD)
    return UpgradeState(direction=direction, before=before, after=after, began_at=datetime(2026, 5, 4, tzinfo=UTC))


class Site:
    """Its hosts do nothing but remember what runs where.

    Args:
        fails: the action that fails in the version that is put in force.
        killed_at: the process ends in the action of this number, before or after its effect.
    """

    def __init__(self, fails: str = "", killed_at: float = -1) -> None:
        self.done: list[tuple[str, str]] = []
        self.runs: dict[str, str] = {}
        self.saved = ""
        self._fails, self._killed_at = fails, killed_at

    def act(self, action: HostAction, version: str) -> None:
        name, number = f"{action.host} {action.what}", len(self.done)
        if number == self._killed_at:
            self._killed_at = -1
            raise Killed
        self.done.append((name, version))
        if action.what.startswith(("switch", "select")):
            self.runs[name] = version
        if number + 0.5 == self._killed_at:
            self._killed_at = -1
            raise Killed
        if (name, version) == (self._fails, NEW):
            raise TransientError("it did not work")

    def apply(self, state: UpgradeState) -> UpgradeState:
        apply(state, HOSTS, self.act, lambda _line: None, self.save, here="h1")
        return UpgradeState.model_validate_json(self.saved)

    def save(self, state: UpgradeState) -> None:
        self.saved = state.model_dump_json()

    def names(self, version: str) -> list[str]:
        return [name for name, done in self.done if done == version]


def test_the_api_of_every_host_changes_before_any_client_of_it() -> None:
    site = Site()
    state = site.apply(state_of())
    assert (state.passed, state.went_back, state.phase) == (True, False, UpgradePhase.ENDED)
    assert [name for name, _ in site.done][: len(PREPARED)] == PREPARED
    assert [name for name, _ in site.done][len(PREPARED) :] == [
        *("h1 switch api", "h2 switch api", "h1 switch worker", "h2 switch worker", "h1 switch tailer"),
        *("h1 select", "h2 select", "h1 test", "h2 test"),
    ]


def test_a_rollback_takes_the_reverse_order_and_needs_no_bundle() -> None:
    site = Site()
    state = site.apply(state_of(Direction.ROLLBACK))
    assert (state.passed, state.after) == (True, OLD)
    assert [name for name, _ in site.done] == [
        *("h1 check", "h2 check", "h1 select", "h2 select"),
        *("h1 switch tailer", "h1 switch worker", "h2 switch worker", "h1 switch api", "h2 switch api"),
        *("h1 test", "h2 test"),
    ]


@pytest.mark.parametrize("fails", PREPARED)
def test_a_preparation_that_fails_changes_nothing_that_runs(fails: str) -> None:
    site = Site(fails)
    state = site.apply(state_of())
    assert (state.passed, state.went_back, site.runs) == (False, False, {})
    assert "Nothing that runs was changed" in upgrade_report.as_markdown(state)


@pytest.mark.parametrize("fails", [f"{action.host} {action.what}" for action in plan(HOSTS, Direction.UPGRADE)])
def test_what_is_not_green_goes_back_on_every_host(fails: str) -> None:
    site = Site(fails)
    state = site.apply(state_of())
    assert (state.passed, state.went_back, state.restored) == (False, True, True)
    assert set(site.runs.values()) == {OLD}
    assert site.done[-1] == ("h2 test", OLD)
    report = upgrade_report.as_json(state)
    assert [f"{one['host']} {one['what']}" for one in report["actions"] if one["failed"]] == [fails]


def test_the_way_back_does_not_end_at_what_fails_there() -> None:
    class FailsAlways(Site):
        def act(self, action: HostAction, version: str) -> None:
            super().act(action, version)
            if action.what == "switch worker":
                raise TransientError("it did not work")

    site = FailsAlways()
    state = site.apply(state_of())
    assert site.done[-1] == ("h2 test", OLD)
    assert (state.went_back, state.restored) == (True, False)
    assert "not all of it is green" in upgrade_report.result_of(state)


KILLS = [number + half for number in range(len(PREPARED) + 9) for half in (0, 0.5)]


@pytest.mark.parametrize("killed_at", KILLS)
def test_after_a_kill_at_any_action_the_upgrade_goes_on_from_there(killed_at: float) -> None:
    """Before its effect, and after it but before that is on record: then it is done twice, and nothing else is."""
    site = Site(killed_at=killed_at)
    state = state_of()
    site.save(state)
    with pytest.raises(Killed):
        site.apply(state)
    ended = site.apply(UpgradeState.model_validate_json(site.saved))
    assert (ended.passed, ended.went_back) == (True, False)
    assert set(site.runs.values()) == {NEW}
    undisturbed = Site()
    undisturbed.apply(state_of())
    assert list(dict.fromkeys(site.done)) == undisturbed.done
    assert len(site.done) == len(undisturbed.done) + (killed_at % 1 > 0)


@pytest.mark.parametrize("killed_at", [len(PREPARED) + 8 + number / 2 for number in range(1, 20)])
def test_after_a_kill_on_the_way_back_it_goes_on_back(killed_at: float) -> None:
    site = Site("h2 test", killed_at=killed_at)
    state = state_of()
    site.save(state)
    with pytest.raises(Killed):
        site.apply(state)
    ended = site.apply(UpgradeState.model_validate_json(site.saved))
    assert (ended.passed, ended.went_back, ended.restored) == (False, True, True)
    assert set(site.runs.values()) == {OLD}


def test_after_a_kill_once_a_failure_is_on_record_it_goes_back() -> None:
    class KilledOnce(Site):
        was_killed = False

        def save(self, state: UpgradeState) -> None:
            super().save(state)
            if state.actions[-1].failed and not self.was_killed:
                self.was_killed = True
                raise Killed

    site = KilledOnce("h2 test")
    with pytest.raises(Killed):
        site.apply(state_of())
    ended = site.apply(UpgradeState.model_validate_json(site.saved))
    assert (ended.passed, ended.went_back, ended.restored) == (False, True, True)
    assert set(site.runs.values()) == {OLD}


def test_that_it_goes_back_is_on_disk_before_anything_is_put_back() -> None:
    phases: set[UpgradePhase] = set()

    class Looking(Site):
        def act(self, action: HostAction, version: str) -> None:
            if version == OLD:
                phases.add(UpgradeState.model_validate_json(self.saved).phase)
            super().act(action, version)

    Looking("h2 test").apply(state_of())
    assert phases == {UpgradePhase.BACK}


def test_a_rollback_that_is_not_green_does_not_put_the_newer_version_in_force_again() -> None:
    class NeverGreen(Site):
        def act(self, action: HostAction, version: str) -> None:
            super().act(action, version)
            if action.what == "test":
                raise TransientError("it did not work")

    site = NeverGreen()
    state = site.apply(state_of(Direction.ROLLBACK))
    assert (state.passed, state.went_back, state.phase) == (False, False, UpgradePhase.ENDED)
    assert set(site.runs.values()) == {OLD}


@pytest.mark.parametrize(("before", "after"), [("0.1.0", "0.1.1"), ("0.1.0", "0.2.0"), ("1.9.3", "1.10.0")])
def test_neighbours_work_side_by_side(before: str, after: str) -> None:
    require_neighbours(before, after)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("0.1.0", "0.1.0", "not newer"),
        ("0.2.0", "0.1.9", "not newer"),
        ("0.1.0", "0.3.0", "no neighbours"),
        ("0.9.0", "1.0.0", "no neighbours"),
        ("0.1.0", "nonsense", "no version"),
    ],
)
def test_what_is_no_neighbour_is_refused(before: str, after: str, why: str) -> None:
    with pytest.raises(UpgradeRefused, match=why):
        require_neighbours(before, after)


def test_the_state_is_read_as_it_was_written_and_by_the_next_version(tmp_path: Path) -> None:
    path = tmp_path / "upgrade.json"
    assert UpgradeState.read(path) is None
    state = state_of()
    state.write(path)
    path.write_text(path.read_text().replace("{", '{"of_the_next_version": 1,', 1))
    assert UpgradeState.read(path) == state


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    (tmp_path / "upgrade.json").write_text("{")
    with pytest.raises(SettingsError, match=r"upgrade\.json cannot be read"):
        UpgradeState.read(tmp_path / "upgrade.json")


def test_the_host_with_the_bundle_does_not_receive_it() -> None:
    what = preparation(HOSTS, Direction.UPGRADE, "h1")
    assert [action.host for action in what if action.what == "receive"] == ["h2"]


def test_the_report_names_both_versions_and_is_written_in_both_forms(tmp_path: Path) -> None:
    state = Site().apply(state_of().model_copy(update={"outage_s": 0.25}))
    markdown, document = upgrade_report.write(state, tmp_path / "upgrades")
    assert markdown.read_text().startswith("# Upgrade from 0.1.0 to 0.2.0, 2026-05-04 00:00 UTC\n")
    assert '"api_outage_s": 0.2' in document.read_text()
