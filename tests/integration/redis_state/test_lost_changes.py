"""API processes and a Redis that comes back with less: nothing is touched until a person has looked."""

import json
import os
import signal
import socket

import requests

from bringup.audit import read
from tests import preloaded
from tests.conftest import free_port
from tests.integration.api.conftest import EPOCH, RUN_A, RUN_B
from tests.integration.redis_state.filled import Filled
from tests.integration.workers.site import eventually

MEMORY = "api-change-number"
RUN_RESTING = f"02-00-00-00-00-04-{EPOCH}"


def number(site: Filled) -> int:
    return int(site.redis("operator").get("bringup:change-number") or 0)


def remembered(site: Filled) -> int:
    path = site.state / MEMORY
    return int(json.loads(path.read_text())["number"]) if path.exists() else 0


def await_remembered(site: Filled) -> None:
    eventually(lambda: remembered(site) == number(site), 60, "the API host remembers every change")


def test_an_older_backup_is_noticed_by_every_process_and_after_a_restart(filled: Filled) -> None:
    filled.lease(RUN_A)
    filled.stack.stop("redis")
    backup = filled.copy_data("backup")
    filled.stack.run_redis()
    filled.boot(RUN_B)
    filled.ok("PATCH", "/devices/a", {"state": "discovered", "maintenance": "put in service by command"})
    await_remembered(filled)
    lost = number(filled)
    filled.stack.stop("redis")
    filled.restore(backup)
    filled.stack.run_redis()
    lost -= number(filled)
    assert_withheld(filled, lost)
    for _ in range(lost + 1):
        filled.ok("PATCH", "/devices/b", {"maintenance": ""})
    assert_withheld(filled, lost)
    filled.stack.stop("api")
    filled.stack.start("api")
    assert_withheld(filled, lost)
    assert filled.stack.log_of("api").count("every machine is withheld") <= 4  # two processes, started twice
    filled.stack.stop("api")
    filled.stack.start("api", "--accept-redis")
    warning = "accepts the next loss unseen"
    assert warning not in filled.stack.log_of("api")  # there was something to accept
    assert filled.call("GET", "/ready").status_code == 200
    assert filled.lease(RUN_B)["decision"] == "start"
    asked, done = (line for line in read(filled.stack.settings.audit_path) if line.action == "redis.accept")
    assert (asked.result, done.result, done.target, done.after) == ("requested", "done", "redis", "accepted")
    filled.stack.stop("api")
    filled.stack.start("api", "--accept-redis")
    assert warning in filled.stack.log_of("api")
    assert f"lost {lost} changes" in str(done.before)
    assert done.who
    assert done.address == socket.gethostname()


def assert_withheld(site: Filled, lost: int) -> None:
    ready = site.call("GET", "/ready")
    assert ready.status_code == 503
    assert f"lost {lost} changes" in ready.text
    for _ in range(8):  # some of each process
        assert f"lost {lost} changes" in str(site.ok("GET", "/devices/b")["maintenance"])
    assert site.lease(RUN_RESTING)["decision"] == "audit_only"
    site.post_event(RUN_A, "boot_started")
    refused = site.call("POST", f"/runs/{RUN_A}/events", {"type": "power_on_requested", "owner": "w"})
    assert refused.json()["type"] == "urn:bringup:power_refused"


def test_a_crash_that_loses_nothing_withholds_nothing(filled: Filled) -> None:
    filled.lease(RUN_A)
    for _ in range(3):
        filled.ok("PATCH", "/devices/b", {"maintenance": ""})
        filled.stack.stop("redis", signal.SIGKILL)
        filled.stack.run_redis()
        assert filled.call("GET", "/ready").status_code == 200
    filled.post_event(RUN_A, "boot_started")
    assert filled.post_event(RUN_A, "power_on_requested").status_code == 202


def test_a_permit_is_on_disk_when_its_answer_comes(filled: Filled) -> None:
    filled.lease(RUN_A)
    filled.post_event(RUN_A, "boot_started")
    assert filled.post_event(RUN_A, "power_on_requested").status_code == 202
    os.killpg(filled.stack.pid("api"), signal.SIGKILL)
    assert remembered(filled) == number(filled)


def test_a_second_host_sees_what_the_first_has_noticed(filled: Filled) -> None:
    filled.lease(RUN_A)
    await_remembered(filled)
    filled.keeper().flushall()
    assert "has lost 1 changes" in filled.call("GET", "/ready").text
    port, folder = free_port(), filled.stack.folder
    environ = filled.stack.environment("api") | {
        "CALLBACK_API_PORT": str(port),
        "STATE_DIR": str(folder / "state-of-another-host"),
    }
    with (folder / "second.log").open("ab") as log:
        second = preloaded.start(["api"], cwd=folder, env=environ, log=log.fileno())
    try:
        url = f"http://127.0.0.1:{port}/api/v1/ready"
        eventually(lambda: answers(url), 60, "the second host serves")
        assert "has lost 1 changes" in answers(url)
    finally:
        second.terminate()
        second.wait(180)


def answers(url: str) -> str:
    try:
        return requests.get(url, timeout=60).text
    except requests.ConnectionError:
        return ""
