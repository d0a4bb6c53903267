"""``bringup site upgrade`` and ``rollback``: what they go on with, what they refuse, what they print."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bringup import __version__
from bringup.errors import SettingsError
from bringup_cli.commands import site_upgrade
from bringup_cli.site.actions import HostAction, SiteHost
from bringup_cli.site.bundle import MANIFEST
from bringup_cli.site.layout import HostLayout
from bringup_cli.site.registry import HostRole
from bringup_cli.site.upgrade import Direction, UpgradePhase, UpgradeState
from bringup_cli.site.upgrade_bundle import ReleaseBundle, UpgradeRefused
from bringup_cli.site.upgrade_host import command_of, rollback_of, upgrade_to
from pki.errors import Locked
from tests.unit.bringup_cli.site.conftest import Enrolling

NOW = datetime(2026, 5, 4, tzinfo=UTC)
MAJOR, MINOR, *_ = __version__.split(".")
NEWER = f"{MAJOR}.{int(MINOR) + 1}.0"
BUNDLE = ReleaseBundle(Path("bundle"), NEWER, "d1")
STATE = UpgradeState(
    direction=Direction.UPGRADE,
    before=__version__,
    after=NEWER,
    digest="d1",
    began_at=NOW,
    done=[f"{NEWER} h1 install"],
)


def ended(**changes: object) -> UpgradeState:
    return STATE.model_copy(update={"phase": UpgradePhase.ENDED, **changes})


def test_a_first_upgrade_begins_at_the_version_that_runs() -> None:
    found = upgrade_to(None, BUNDLE, NOW)
    assert (found.before, found.after, found.digest, found.done) == (__version__, NEWER, "d1", [])


def test_an_interrupted_upgrade_goes_on_with_its_bundle() -> None:
    assert upgrade_to(STATE, BUNDLE, NOW) == STATE


def test_another_bundle_is_refused_while_an_upgrade_is_interrupted() -> None:
    other = ReleaseBundle(Path("bundle"), NEWER, "d2")
    with pytest.raises(UpgradeRefused, match="was interrupted: run it again, or `bringup site rollback`"):
        upgrade_to(STATE, other, NOW)


def test_an_upgrade_to_a_version_that_is_no_neighbour_does_not_begin() -> None:
    with pytest.raises(UpgradeRefused, match="no neighbours"):
        upgrade_to(None, ReleaseBundle(Path("bundle"), f"{MAJOR}.{int(MINOR) + 2}.0", "d1"), NOW)


def test_after_an_upgrade_that_has_ended_another_one_begins() -> None:
    assert upgrade_to(ended(went_back=True), BUNDLE, NOW).done == []


def test_a_rollback_goes_to_the_version_before() -> None:
    found = rollback_of(ended(passed=True), NOW)
    assert (found.direction, found.before, found.after) == (Direction.ROLLBACK, NEWER, __version__)


def test_a_rollback_of_an_interrupted_upgrade_undoes_it() -> None:
    found = rollback_of(STATE, NOW)
    assert (found.direction, found.phase, found.before) == (Direction.UPGRADE, UpgradePhase.BACK, __version__)


def test_a_way_back_that_was_not_green_is_taken_again_from_its_begin() -> None:
    found = rollback_of(ended(went_back=True), NOW)
    assert (found.phase, found.done) == (UpgradePhase.BACK, [])
    back = ended(direction=Direction.ROLLBACK, before=NEWER, after=__version__)
    assert rollback_of(back, NOW).phase is UpgradePhase.FORWARD


@pytest.mark.parametrize(
    "last",
    [
        None,
        ended(went_back=True, restored=True),
        ended(),  # its preparation has failed
        ended(direction=Direction.ROLLBACK, passed=True),
    ],
)
def test_without_a_version_before_a_rollback_is_refused(last: UpgradeState | None) -> None:
    with pytest.raises(UpgradeRefused, match=r"nothing to go back from|no version before"):
        rollback_of(last, NOW)


@pytest.mark.parametrize(
    ("what", "version"),
    [("install", __version__), ("test-before", __version__), ("check", NEWER), ("switch api", NEWER), ("test", NEWER)],
)
def test_each_action_is_done_by_the_program_of_its_version(what: str, version: str) -> None:
    found = command_of(STATE, HostAction("h1", what), NEWER)
    assert found.startswith(f"/usr/lib/bringup/{version}/bin/bringup site upgrade --step ")


def test_the_way_back_is_done_by_the_version_before() -> None:
    found = command_of(STATE, HostAction("h1", "switch api"), __version__)
    assert found == f"/usr/lib/bringup/{__version__}/bin/bringup site upgrade --step 'switch api'"


def test_a_host_that_receives_the_bundle_compares_it_with_the_one_that_was_verified() -> None:
    assert command_of(STATE, HostAction("h2", "receive"), NEWER).endswith("--step receive --digest d1")


def test_without_a_way_to_other_hosts_what_to_run_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    hosts = (SiteHost("h1", (HostRole.API,)), SiteHost("w1", (HostRole.TAILER,)))
    site_upgrade._show_plan(STATE, hosts, "h1", dry_run=False)
    shown = capsys.readouterr().out
    assert shown.startswith("Nothing was changed")
    assert f"on w1: /usr/lib/bringup/{NEWER}/bin/bringup site upgrade --step 'switch tailer'" in shown
    assert f"here: /usr/lib/bringup/{NEWER}/bin/bringup site upgrade --step 'switch api'" in shown


def test_an_action_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="there is no such action"):
        site_upgrade._on_this_host(None, "explode", None)  # type: ignore[arg-type]


def test_a_second_command_is_refused_while_one_runs(tmp_path: Path, ca: Enrolling) -> None:
    layout = HostLayout(tmp_path / "etc", tmp_path / "var")
    for path in (layout.config, layout.state):
        path.mkdir()
    (layout.config / MANIFEST).write_text(ca.manifest(ca.host("h1", HostRole.API)).model_dump_json())
    site = site_upgrade._Site(layout, None)
    with site.locked("site"):
        with pytest.raises(Locked, match="bringup site upgrade"), site.locked("site"):
            pass
        with site.locked("step"):  # which its own actions take
            pass
