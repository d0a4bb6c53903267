"""A flip of a site: what it changes, in which order, and that it goes back by itself."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bringup.errors import TransientError
from bringup_cli.site.actions import HostAction, SiteHost
from bringup_cli.site.flip import FlipRecord, as_json, as_markdown, flip, plan
from bringup_cli.site.flip_files import FlipMode, change, differences, flipped
from bringup_cli.site.layout import HostLayout
from bringup_cli.site.registry import HostRole
from tests.unit.bringup_cli.site.conftest import Enrolling

PLAIN = "# a comment\nENVIRONMENT=development\nREDIS_PASSWORD=secret-1\nCALLBACK_API_URL=http://192.0.2.1:5000\n"
HOSTS = (
    SiteHost("h1", (HostRole.REDIS, HostRole.API, HostRole.WORKER, HostRole.TAILER)),
    SiteHost("w1", (HostRole.WORKER, HostRole.TAILER)),
)


class Acting:
    """Does nothing but remember, and fails where a test says so."""

    def __init__(self, fails: str = "") -> None:
        self.done: list[tuple[str, FlipMode]] = []
        self._fails = fails

    def __call__(self, action: HostAction, mode: FlipMode) -> None:
        self.done.append((f"{action.host} {action.what}", mode))
        if mode is FlipMode.PRODUCTION and f"{action.host} {action.what}" == self._fails:
            raise TransientError("it did not work")

    def modes(self, what: str) -> list[FlipMode]:
        """In which modes something was done, in order."""
        return [mode for name, mode in self.done if name == what]


def run(acting: Acting) -> FlipRecord:
    record = FlipRecord(FlipMode.PRODUCTION, datetime(2026, 5, 4, tzinfo=UTC))
    flip(record, HOSTS, acting, lambda _line: None)
    return record


def test_a_flip_and_a_flip_back_leave_a_file_as_it_was() -> None:
    there = flipped(PLAIN, FlipMode.PRODUCTION)
    assert "REDIS_USE_TLS=true\nAPI_USE_TLS=true\n" in there
    assert "CALLBACK_API_URL=https://192.0.2.1:5000\n" in there
    assert flipped(flipped(there, FlipMode.DEVELOPMENT), FlipMode.PRODUCTION) == there


def test_every_address_of_the_api_is_flipped() -> None:
    there = flipped("CALLBACK_API_URL=http://192.0.2.1:5000, http://192.0.2.2:5000\n", FlipMode.PRODUCTION)
    assert "CALLBACK_API_URL=https://192.0.2.1:5000, https://192.0.2.2:5000\n" in there


def test_a_second_flip_to_the_same_mode_changes_nothing() -> None:
    there = flipped(PLAIN, FlipMode.PRODUCTION)
    assert flipped(there, FlipMode.PRODUCTION) == there


def test_what_would_change_is_shown_without_any_secret(tmp_path: Path) -> None:
    layout = HostLayout(tmp_path, tmp_path / "state")
    (tmp_path / "worker.env").write_text(PLAIN)
    shown = list(differences(layout, (HostRole.WORKER,), FlipMode.PRODUCTION))
    assert [line.split(": ")[1] for line in shown] == [
        "ENVIRONMENT",
        "CALLBACK_API_URL",
        "REDIS_USE_TLS",
        "API_USE_TLS",
    ]
    assert "secret-1" not in "".join(shown)
    assert (tmp_path / "worker.env").read_text() == PLAIN


def test_a_host_without_redis_gets_no_redis_conf(tmp_path: Path, ca: Enrolling) -> None:
    (tmp_path / "worker.env").write_text(PLAIN)
    manifest = ca.manifest(ca.host("w1", HostRole.WORKER))
    change(HostLayout(tmp_path, tmp_path / "state"), manifest, FlipMode.PRODUCTION)
    assert (tmp_path / "worker.env").read_text() == flipped(PLAIN, FlipMode.PRODUCTION)
    assert not (tmp_path / "redis").exists()


def test_tailers_stop_first_and_start_last() -> None:
    actions = [f"{action.host} {action.what}" for action in plan(HOSTS) if " " in action.what]
    assert actions[:2] == ["h1 stop tailer", "w1 stop tailer"]
    assert actions[-2:] == ["h1 start tailer", "w1 start tailer"]


def test_no_file_changes_while_a_client_runs_and_servers_restart_before_clients_start() -> None:
    whats = [action.what for action in plan(HOSTS)]
    assert max(n for n, what in enumerate(whats) if what.startswith("stop")) < whats.index("change")
    assert whats.index("restart redis") < whats.index("restart api") < whats.index("start worker")


def test_a_flip_that_is_green_is_not_undone() -> None:
    acting = Acting()
    record = run(acting)
    assert (record.passed, record.went_back) == (True, False)
    assert acting.modes("w1 test") == [FlipMode.PRODUCTION]


@pytest.mark.parametrize("fails", ["h1 test", "w1 test", "h1 restart redis", "w1 change", "w1 stop tailer"])
def test_a_flip_that_is_not_green_goes_back_on_every_host(fails: str) -> None:
    acting = Acting(fails)
    record = run(acting)
    assert (record.passed, record.went_back) == (False, True)
    for host in ("h1", "w1"):
        assert acting.modes(f"{host} change")[-1] is FlipMode.DEVELOPMENT
        assert acting.modes(f"{host} start tailer")[-1] is FlipMode.DEVELOPMENT


def test_the_way_back_does_not_end_at_what_fails_there() -> None:
    class FailsTwice(Acting):
        def __call__(self, action: HostAction, mode: FlipMode) -> None:
            super().__call__(action, mode)
            if action.what == "restart redis":
                raise TransientError("it did not work")

    acting = FailsTwice()
    run(acting)
    assert acting.done[-1] == ("w1 test", FlipMode.DEVELOPMENT)


def test_a_check_that_fails_leaves_everything_as_it_is() -> None:
    acting = Acting("w1 check")
    record = run(acting)
    assert (record.passed, record.went_back) == (False, False)
    assert [name for name, _ in acting.done] == ["h1 check", "w1 check"]
    assert "Nothing was changed" in as_markdown(record)


def test_the_report_names_what_has_failed() -> None:
    record = run(Acting("h1 restart api"))
    assert "| h1 | restart api |" in as_markdown(record)
    assert "it did not work" in as_markdown(record)
    document = as_json(record)
    assert [one["what"] for one in document["actions"] if one["failed"]] == ["restart api"]
