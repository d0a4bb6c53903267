"""The commands of people against a served API: lists with filters, actions on many with a preview, waiting."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from bringup.model import RunState
from bringup_cli.waiting import EXIT_OF
from tests.conftest import TOKEN
from tests.in_process import command
from tests.integration.api.conftest import RUN_A, RUN_B, Api

Done = subprocess.CompletedProcess[str]
Command = Callable[..., Done]


class Quiet(WSGIRequestHandler):
    """Logs no line for each request: what a command writes to standard error is looked at."""

    def log_request(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def served(api: Api) -> Iterator[str]:
    """The address of the API."""
    server = make_server("127.0.0.1", 0, api.client.application, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(served: str, tmp_path: Path) -> Command:
    """A command, as an operator of this API runs it."""
    environ = {"CALLBACK_API_URL": served, "API_TOKEN": TOKEN, "REDIS_PASSWORD": "x"}
    return lambda *words: command(words, environ, tmp_path)


def listed(done: Done, key: str) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [one[key] for one in json.loads(done.stdout)]


def ended(api: Api, run_id: str = RUN_A) -> None:
    """A run that was aborted and is closed."""
    api.booted(run_id)
    api.ok("POST", f"/runs/{run_id}/abort", {"reason": "wrong rack"})
    for kind in ("media_ejected", "finished"):
        api.tell(run_id, kind)


def test_runs_are_listed_by_state_reason_device_and_time(api: Api, run: Command) -> None:
    ended(api)
    api.lease(RUN_B)
    for words, expected in (
        (["--state", "aborted"], [RUN_A]),
        (["--reason", "aborted"], [RUN_A]),
        (["--reason", "no_boot"], []),
        (["--device", "b"], [RUN_B]),
        (["--since", "1h"], [RUN_B, RUN_A]),
        (["--since", "2999-01-01"], []),
        (["--limit", "1"], [RUN_B]),
    ):
        assert listed(run("runs", *words, "--output", "json"), "run_id") == expected, words
    assert RUN_A in run("runs", "--state", "aborted").stdout
    assert RUN_B not in run("runs", "--state", "aborted").stdout


def test_devices_are_listed_by_state_reason_name_maintenance_and_time(api: Api, run: Command) -> None:
    ended(api)
    for words, expected in (
        (["--state", "failed"], ["a"]),
        (["--reason", "aborted"], ["a"]),
        (["--reason", "no_boot"], []),
        (["--device", "activ"], ["active"]),
        (["--maintenance"], ["resting"]),
        (["--no-maintenance", "--state", "approved"], ["b"]),
        (["--since", "1h"], ["a"]),
    ):
        assert listed(run("devices", *words, "--output", "json"), "name") == expected, words
    assert "resting" not in run("devices", "--reason", "aborted").stdout


def test_a_machine_that_was_approved_again_has_no_reason_any_more(api: Api, run: Command) -> None:
    ended(api)
    api.ok("PATCH", "/devices/a", {"state": "approved"})
    assert listed(run("devices", "--reason", "aborted", "--output", "json"), "name") == []


@pytest.mark.parametrize("words", [["--since", "yesterday"], ["--state", "broken"], ["--reason", "broken"]])
def test_a_filter_that_is_none_is_a_mistake_of_usage(run: Command, words: list[str]) -> None:
    done = run("runs", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert words[1] in done.stderr


def test_a_dry_run_shows_what_would_happen_to_which_and_changes_nothing(api: Api, run: Command) -> None:
    done = run("device", "start", "a", "b", "active", "--dry-run")
    assert done.returncode == 1
    assert "2 would start, 1 would not: active because the machine is in service." in done.stdout
    found = json.loads(run("device", "start", "a", "active", "--dry-run", "--output", "json").stdout)
    assert found["summary"] == "1 would start, 1 would not: active because the machine is in service"
    assert [one["would"] for one in found["targets"]] == [True, False]
    assert run("device", "start", "a", "b", "--dry-run").returncode == 0
    assert api.ok("GET", "/runs")["runs"] == []


def test_what_can_be_done_is_done_and_the_rest_is_named(api: Api, run: Command) -> None:
    done = run("device", "start", "a", "active", "--reason", "night shift")
    assert done.returncode == 1
    (started,) = api.ok("GET", "/runs")["runs"]
    assert done.stdout == f"Run {started['run_id']} of a: queued\n"
    assert done.stderr == "active: nothing was done, because the machine is in service\n"
    assert api.run(started["run_id"])["timeline"][0]["detail"] == "night shift"


def test_machines_are_approved_withheld_put_in_service_and_in_maintenance_together(api: Api, run: Command) -> None:
    ended(api)
    for words, states in (
        (["withhold", "b"], {"b": "discovered"}),
        (["approve", "a", "b"], {"a": "approved", "b": "approved"}),
        (["in-service", "a", "b"], {"a": "active", "b": "active"}),
    ):
        done = run("device", *words)
        assert done.returncode == 0, done.stderr
        assert {name: api.ok("GET", f"/devices/{name}")["state"] for name in states} == states
    assert run("device", "approve", "a").returncode == 1
    assert api.ok("GET", "/devices/a")["state"] == "active"
    assert run("device", "maintenance", "a", "b", "--reason", "fan").returncode == 0
    assert [api.ok("GET", f"/devices/{name}")["maintenance"] for name in ("a", "b")] == ["fan", "fan"]
    assert run("device", "maintenance", "a", "b", "--end").returncode == 0
    assert api.ok("GET", "/devices/a")["maintenance"] is None
    assert run("device", "maintenance", "a").returncode == 2


def test_runs_are_aborted_and_repeated_together(api: Api, run: Command) -> None:
    api.lease(RUN_A)
    api.lease(RUN_B)
    done = run("run", "abort", RUN_A, RUN_B, "--reason", "wrong rack", "--output", "json")
    assert [one["done"] for one in json.loads(done.stdout)["targets"]] == [True, True]
    for run_id in (RUN_A, RUN_B):
        for kind in ("media_ejected", "finished"):
            api.tell(run_id, kind)
    assert "1 would be repeated" in run("run", "repeat", RUN_A, "--dry-run").stdout
    assert run("run", "repeat", RUN_A).returncode == 0
    assert api.ok("GET", "/devices/a")["state"] == "validating"
    assert run("run", "repeat", RUN_A).returncode == 1


@pytest.mark.parametrize(
    ("prepare", "status"),
    [
        (lambda api: api.ok("POST", f"/runs/{RUN_A}/report", api.report(), token=api.booted()), 0),
        (ended, EXIT_OF[RunState.ABORTED]),
        (lambda api: api.lease(f"02-00-00-00-00-03-{RUN_A.rpartition('-')[2]}"), EXIT_OF[RunState.AUDITED]),
    ],
    ids=["passed", "aborted", "audited"],
)
def test_the_exit_status_of_waiting_is_the_verdict(
    api: Api, run: Command, prepare: Callable[[Api], object], status: int
) -> None:
    prepare(api)
    (known,) = api.ok("GET", "/runs")["runs"]
    done = run("run", "wait", known["run_id"], "--timeout", "60")
    assert done.returncode == status
    assert f"Run {known['run_id']} of " in done.stdout


def test_every_state_in_which_a_run_has_ended_has_a_status_of_its_own() -> None:
    assert set(EXIT_OF) == {state for state in RunState if state.ended}
    assert len(set(EXIT_OF.values())) == len(EXIT_OF)
    assert not set(EXIT_OF.values()) & {1, 2, 124}


def test_waiting_ends_in_time_and_for_a_run_that_there_is_not(api: Api, run: Command) -> None:
    api.lease(RUN_A)
    assert run("run", "wait", RUN_A, "--timeout", "0").returncode == 124
    assert run("run", "wait", RUN_B, "--timeout", "60").returncode == 1


def test_waiting_goes_on_while_the_api_does_not_answer(tmp_path: Path) -> None:
    environ = {"CALLBACK_API_URL": "http://127.0.0.1:9", "API_TOKEN": TOKEN, "REDIS_PASSWORD": "x"}
    done = command(["run", "wait", RUN_A, "--timeout", "0.01"], environ, tmp_path)
    assert (done.returncode, done.stdout) == (124, f"Run {RUN_A}: the API has not answered in time\n")


def test_the_report_of_a_run_is_shown_to_people_and_programs(api: Api, run: Command) -> None:
    token = api.booted()
    api.ok("POST", f"/runs/{RUN_A}/report", api.report(), token=token)
    shown = run("run", "report", RUN_A).stdout
    assert all(word in shown for word in ("SIMULATED", "GiB", "Disks", "Network ports"))
    assert json.loads(run("run", "report", RUN_A, "--output", "json").stdout)["schema_version"] == 1


def test_the_queues_show_how_long_the_first_job_waits(api: Api, run: Command) -> None:
    api.lease(RUN_A)
    assert "Oldest" in run("queues").stdout
    boots = next(q for q in json.loads(run("queues", "--output", "json").stdout)["queues"] if q["name"] == "boots")
    assert boots["queued"] == 1
    assert boots["oldest_s"] is not None


def test_each_change_is_one_line_for_a_program_that_watches(api: Api, served: str, tmp_path: Path) -> None:
    environ = {**os.environ, "CALLBACK_API_URL": served, "API_TOKEN": TOKEN, "REDIS_PASSWORD": "x"}
    program = ["env", "--default-signal=INT", sys.executable, "-m", "bringup"]  # a shell that runs us with & ignores it
    watch = ["runs", "--watch", "--device", "a", "--output", "json"]
    watching = subprocess.Popen([*program, *watch], cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True)
    assert watching.stdout
    reader = threading.Thread(target=lambda: lines.append(watching.stdout.readline()))  # type: ignore[union-attr]
    lines: list[str] = []
    reader.start()
    api.lease(RUN_A)
    api.lease(RUN_B)
    deadline = time.monotonic() + 180
    while reader.is_alive() and time.monotonic() < deadline:
        # When it has begun to watch cannot be seen from outside: so something changes again and again.
        api.tell(RUN_B, "powered_on")
        api.tell(RUN_A, "powered_on")
        reader.join(0.2)
    watching.send_signal(signal.SIGINT)
    assert watching.wait(180) == 130
    change = json.loads(lines[0])
    assert (change["run"]["device"], change["what"]) == ("a", "refused")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_given_what_it_needs_to_complete(run: Command, shell: str) -> None:
    assert "_BRINGUP_COMPLETE=" in run("completion", shell).stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("bringup ru", {"run", "runs"}),
        ("bringup run a", {"abort", "artifact"}),
        ("bringup runs --st", {"--state"}),
        ("bringup runs --state pas", {"passed"}),
        ("bringup --v", {"--version"}),
        ("bringup device l", {"learn"}),
    ],
)
def test_commands_options_and_values_are_completed(tmp_path: Path, words: str, expected: set[str]) -> None:
    assert completed(words, tmp_path) == expected


def completed(words: str, folder: Path, **variables: str) -> set[str]:
    """What bash is given for the last of the words."""
    count = len(words.split()) - 1
    environ = {"_BRINGUP_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(count), **variables}
    done = command([], environ, folder)
    assert done.stderr == ""
    return {line.partition(",")[2] for line in done.stdout.split()}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("bringup device approve re", {"resting"}),
        ("bringup device approve a act", {"active"}),
        (f"bringup run show {RUN_A[:9]}", {RUN_A}),
        ("bringup device show zzz", set()),
    ],
)
def test_names_of_machines_and_runs_are_completed(
    api: Api, served: str, tmp_path: Path, words: str, expected: set[str]
) -> None:
    api.lease(RUN_A)
    assert completed(words, tmp_path, CALLBACK_API_URL=served, API_TOKEN=TOKEN, REDIS_PASSWORD="x") == expected


def test_nothing_is_completed_and_nothing_is_written_while_the_api_does_not_answer(tmp_path: Path) -> None:
    away = {"CALLBACK_API_URL": "http://127.0.0.1:9", "API_TOKEN": TOKEN, "REDIS_PASSWORD": "x"}
    assert completed("bringup device show a", tmp_path, **away) == set()
    assert completed("bringup device show a", tmp_path, CALLBACK_API_URL="no address") == set()
