"""`bringup operator` and `bringup audit`: what they write, and what they refuse."""

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bringup.audit import read
from bringup.operators import Operators
from bringup_cli.root import cli


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Run":
    monkeypatch.chdir(tmp_path)
    return Run()


class Run:
    """Runs commands in an empty folder."""

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(cli, list(words))


def test_a_token_is_shown_once_and_only_its_hash_is_kept(run: Run) -> None:
    shown = run("operator", "add", "alice")
    token = shown.output.partition("OPERATOR_TOKEN=")[2].split()[0]
    found = Operators.read(Path("operators.toml")).of_token(token)
    assert found
    assert found.name == "alice"
    assert token not in Path("operators.toml").read_text()
    assert token not in Path("var/audit.jsonl").read_text()
    assert token not in run("operator", "list").output


def test_operators_are_listed_for_programs_without_their_hashes(run: Run) -> None:
    run("operator", "add", "alice", "--role", "viewer")
    (found,) = json.loads(run("operator", "list", "--output", "json").output)
    assert (found["name"], found["role"], "token_sha256" in found) == ("alice", "viewer", False)


def test_adding_and_removing_is_on_record_with_the_user_of_the_host(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "root-for-a-day")
    run("operator", "add", "alice")
    run("operator", "remove", "alice")
    asked, added, _, removed = read(Path("var/audit.jsonl"))
    assert (asked.result, added.result, removed.result) == ("requested", "done", "done")
    assert added.address == socket.gethostname()
    assert (added.who, added.action, added.after) == ("root-for-a-day", "operator.add", "operator")
    assert (removed.action, removed.before) == ("operator.remove", "operator")
    assert not Operators.read(Path("operators.toml"))


def test_a_name_that_is_there_is_refused(run: Run) -> None:
    run("operator", "add", "alice")
    again = run("operator", "add", "alice")
    assert again.exit_code != 0
    assert "already" in str(again.exception)
    assert "bringup operator remove alice" in str(again.exception)


def test_a_name_that_nobody_has_is_no_fault_of_the_file(run: Run) -> None:
    run("operator", "add", "alice")
    refused = str(run("operator", "remove", "vera").exception)
    assert "there are: alice" in refused
    assert "not usable" not in refused


def test_the_token_of_a_console_is_shown_under_the_name_of_its_setting(run: Run) -> None:
    shown = run("operator", "add", "page", "--role", "console").output
    assert "CONSOLE_TOKEN=" in shown
    assert "OPERATOR_TOKEN" not in shown


def test_a_log_that_was_altered_is_found_by_the_command(run: Run) -> None:
    run("operator", "add", "alice")
    assert run("audit", "verify").exit_code == 0
    log = Path("var/audit.jsonl")
    log.write_text(log.read_text().replace("alice", "mallo"))
    found = run("audit", "verify")
    assert found.exit_code != 0
    assert "line 2" in str(found.exception)


def test_the_log_is_shown_for_programs_and_filtered(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bob", "carol"):
        monkeypatch.setenv("SUDO_USER", name)
        run("operator", "add", f"of-{name}")
    found = json.loads(run("audit", "show", "--who", "carol", "--output", "json").output)
    assert [one["target"] for one in found] == ["operator/of-carol"] * 2


def test_a_change_that_fails_on_the_host_is_on_record_as_failed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Operators, "write", full)
    assert run("operator", "add", "alice").exit_code != 0
    assert [entry.result for entry in read(Path("var/audit.jsonl"))] == ["requested", "failed"]


def test_nobody_is_added_who_cannot_be_recorded(run: Run) -> None:
    Path("var/audit.jsonl").mkdir(parents=True)
    refused = run("operator", "add", "alice")
    assert "AUDIT_FILE" in str(refused.exception)
    assert not Path("operators.toml").exists()


def test_a_program_gets_the_token_of_the_person_that_it_adds(run: Run) -> None:
    added = json.loads(run("operator", "add", "alice", "--output", "json").output)
    assert Operators.read(Path("operators.toml")).of_token(added["token"])
    assert (added["name"], added["role"]) == ("alice", "operator")
    assert json.loads(run("operator", "remove", "alice", "--output", "json").output)["removed"] is True
