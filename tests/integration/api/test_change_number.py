"""Every change that counts has a number, and a Redis that is behind what this host remembers is not trusted."""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from api.services import Services
from api.state import change_memory, durability
from api.state.change_memory import ChangeMemory
from api.state.durability import EVERYSEC_S
from api.state.feed import time_of
from api.state.installation import ID_FILE, MEMORY_FILE
from bringup import keys, tls
from bringup.connections.redis_client import connect_redis
from bringup.settings import Settings
from tests.conftest import RedisServer
from tests.integration.api.conftest import RUN_A, RUN_B, Api
from tests.integration.workers.site import eventually

if TYPE_CHECKING:
    from redis import Redis

NUMBER = "bringup:change-number"


@pytest.fixture
def redis(settings: Settings) -> Iterator["Redis"]:
    made = connect_redis(settings, tls.ClientContexts(), name="tests")
    yield made
    made.config_set("appendfsync", "always")


def number(redis: "Redis") -> int:
    return int(redis.get(NUMBER) or 0)


def memory(settings: Settings) -> ChangeMemory:
    return ChangeMemory(settings.state_dir / MEMORY_FILE)


def remembered(settings: Settings) -> int:
    found = memory(settings).read()
    return found.number if found else 0


def await_remembered(settings: Settings, number: int) -> None:
    eventually(lambda: remembered(settings) == number, 60, f"change {number} is remembered")


def withheld(api: Api) -> str:
    return str(api.ok("GET", "/devices/b")["maintenance"] or "")


def accept(api: Api) -> None:
    given: Services = api.client.application.extensions["bringup"]
    given.installation.accept()


def test_each_change_of_a_run_or_a_device_counts_once(api: Api, redis: "Redis") -> None:
    counted = []

    def count(act: Callable[[], object]) -> None:
        before = number(redis)
        act()
        counted.append(number(redis) - before)

    count(api.lease)
    count(lambda: api.tell(RUN_A, "boot_started"))
    count(lambda: api.ok("POST", f"/runs/{RUN_A}/media", {"owner": "w"}))
    count(lambda: api.tell(RUN_A, "power_on_requested"))
    count(lambda: api.ok("PATCH", "/devices/b", {"maintenance": "x"}))
    count(lambda: api.lease(starts="2026-11-23T10:41:36Z", run_id=f"02-00-00-00-00-01-{1795430496}"))
    count(lambda: api.ok("POST", f"/runs/{RUN_A}/abort", {}))
    assert counted == [1] * 7


def test_what_changes_nothing_or_may_be_forgotten_does_not_count(api: Api, redis: "Redis") -> None:
    token = api.booted()
    beat = {"boot_id": "b", "uptime_s": 1}
    api.ok("POST", f"/runs/{RUN_A}/heartbeat", beat, token)
    before = number(redis)
    for _ in range(3):
        api.ok("POST", f"/runs/{RUN_A}/heartbeat", beat, token)
    api.lease()  # known already
    api.ok("GET", "/devices")
    api.call("POST", f"/runs/{RUN_A}/heartbeat", beat, "a-wrong-token")
    assert api.call("PATCH", "/devices/none", {"maintenance": "x"}).status_code == 404
    assert number(redis) == before


def test_a_change_and_its_number_are_one_transaction(api: Api, redis: "Redis") -> None:
    api.ok("GET", "/devices")
    commands: list[str] = []
    with redis.monitor() as monitor:  # type: ignore[no-untyped-call]
        api.ok("PATCH", "/devices/b", {"maintenance": "x"})
        # Threads of other applications of this process have transactions of their own.
        while not commands or commands[-1] != "EXEC" or not any("HSET bringup:device:b" in one for one in commands):
            command = str(monitor.next_command()["command"])
            commands = [command] if command == "MULTI" else [*commands, command]
    inside = [command.split()[0] for command in commands]
    # The script that numbers the change and adds it to the feed shows its own commands, too.
    assert {"HSET", "EVAL", "INCRBY", "XADD"} <= set(inside)
    assert inside[-1] == "EXEC"


def test_the_highest_number_is_on_disk_within_a_second(api: Api, redis: "Redis", settings: Settings) -> None:
    api.lease()
    api.lease(RUN_B)
    await_remembered(settings, number(redis))
    assert change_memory.FLUSH_S < 1  # by itself, and as soon as the processor is free


def test_a_permit_is_answered_only_when_it_is_remembered(
    api: Api, redis: "Redis", settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_memory, "FLUSH_S", 3600)  # what happens in the background is no help
    api.lease()
    api.tell(RUN_A, "boot_started")
    assert remembered(settings) < number(redis)
    assert api.tell(RUN_A, "power_on_requested").status_code == 202
    assert remembered(settings) == number(redis)


def test_while_the_disk_is_full_no_permit_is_given_and_the_rest_goes_on(
    api: Api, redis: "Redis", settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.lease()
    api.tell(RUN_A, "boot_started")
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", _no_space)
        full.setattr(os, "pwrite", _no_space)
        assert api.tell(RUN_A, "power_on_requested").status_code == 503
        assert api.lease(RUN_B).json["decision"] == "start"
        eventually(lambda: "cannot be written" in api.call("GET", "/ready").text, 60, "it says so")
    assert api.tell(RUN_A, "power_on_requested").status_code == 202
    assert remembered(settings) == number(redis)
    assert not list(settings.state_dir.glob(".*"))


def _no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_redis_that_is_behind_withholds_and_says_how_many_and_since_when(
    api: Api, redis: "Redis", settings: Settings
) -> None:
    api.lease()
    for _ in range(2):
        api.ok("PATCH", "/devices/b", {"maintenance": ""})
    await_remembered(settings, number(redis))
    redis.set(NUMBER, number(redis) - 2)
    found: Any = redis.xrange(keys.CHANGES, f"{number(redis)}-0", f"{number(redis)}-0")
    at = time_of(found[0][1]).isoformat()
    for said in (withheld(api), api.ok("GET", "/devices/b/explain")["obstacles"][0], api.call("GET", "/ready").text):
        assert "lost 2 changes" in said
        assert at in said
    assert api.call("GET", "/ready").status_code == 503
    assert api.lease(RUN_B).json["decision"] == "audit_only"
    assert "bringup_changes_missing 2.0" in api.call("GET", "/metrics").text
    assert "bringup_withheld 1.0" in api.call("GET", "/metrics").text


def test_new_changes_that_make_up_the_number_end_nothing(
    api: Api, redis: "Redis", settings: Settings, make_api: Callable[[Settings], Api]
) -> None:
    for _ in range(3):
        api.ok("PATCH", "/devices/b", {"maintenance": ""})
    await_remembered(settings, 3)
    redis.set(NUMBER, 2)
    assert "lost 1 changes" in withheld(api)
    for _ in range(3):
        api.ok("PATCH", "/devices/b", {"maintenance": ""})
    assert number(redis) > remembered(settings)
    assert "lost 1 changes" in withheld(api)
    assert "lost 1 changes" in withheld(make_api(settings))
    elsewhere = make_api(settings.model_copy(update={"state_dir": settings.state_dir / "of-another-host"}))
    assert "lost 1 changes" in withheld(elsewhere)
    accept(elsewhere)
    assert withheld(api) == withheld(elsewhere) == ""
    assert number(redis) >= 5


def test_after_it_was_accepted_no_number_is_given_twice(api: Api, redis: "Redis", settings: Settings) -> None:
    for _ in range(5):
        api.ok("PATCH", "/devices/b", {"maintenance": ""})
    await_remembered(settings, 5)
    redis.flushall()
    assert withheld(api)
    accept(api)
    assert withheld(api) == ""
    assert number(redis) == 5
    assert api.lease().json["decision"] == "start"
    assert number(redis) == 6


def test_an_empty_redis_withholds_for_a_host_that_remembers_nothing_too(
    api: Api, redis: "Redis", settings: Settings, make_api: Callable[[Settings], Api]
) -> None:
    api.lease()
    await_remembered(settings, 1)
    redis.flushall()
    assert "lost 1 changes" in withheld(api)
    elsewhere = make_api(settings.model_copy(update={"state_dir": settings.state_dir / "of-another-host"}))
    assert "lost 1 changes" in withheld(elsewhere)
    accept(api)
    assert withheld(api) == withheld(elsewhere) == ""


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"number": 1',
        '{"number": -1, "at": "2026-11-23T00:00:00Z"}',
        '{"number": 9223372036854775807, "at": "2026-11-23T00:00:00Z"}',
        "\0" * 64,
    ],
)
def test_a_damaged_memory_withholds_until_a_person_accepts(
    api: Api, redis: "Redis", settings: Settings, content: str
) -> None:
    api.lease()
    await_remembered(settings, 1)
    (settings.state_dir / MEMORY_FILE).write_text(content)
    assert "is damaged" in withheld(api)
    api.ok("PATCH", "/devices/b", {"maintenance": ""})
    time.sleep(2 * change_memory.FLUSH_S)  # the background must not repair it by itself
    assert "is damaged" in withheld(api)
    accept(api)
    assert withheld(api) == ""
    assert remembered(settings) == number(redis)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", bytes(33)])
def test_a_damaged_installation_id_withholds_until_a_person_accepts(
    api: Api, redis: "Redis", settings: Settings, content: bytes
) -> None:
    api.lease()
    (settings.state_dir / ID_FILE).write_bytes(content)
    assert "--accept-redis" in withheld(api)
    accept(api)
    assert withheld(api) == ""
    assert (settings.state_dir / ID_FILE).read_bytes().strip() == redis.get("bringup:installation")


def test_where_redis_has_no_config_command_permits_are_given_all_the_same(
    own_redis: RedisServer, settings: Settings, make_api: Callable[[Settings], Api]
) -> None:
    """Redis as a service of a cloud has none."""
    own_redis.kill()
    own_redis.start("--rename-command", "CONFIG", "")
    api = make_api(settings.model_copy(update={"redis_port": own_redis.port}))
    api.lease()
    api.tell(RUN_A, "boot_started")
    assert api.tell(RUN_A, "power_on_requested").status_code == 202


def test_a_host_that_was_upgraded_joins_at_the_number_that_redis_has(
    api: Api, settings: Settings, make_api: Callable[[Settings], Api]
) -> None:
    api.lease()
    await_remembered(settings, 1)
    (settings.state_dir / MEMORY_FILE).unlink()
    assert (settings.state_dir / ID_FILE).exists()
    assert withheld(make_api(settings)) == ""
    await_remembered(settings, 1)


def test_with_everysec_what_is_younger_than_two_seconds_is_not_relied_on(
    api: Api, redis: "Redis", settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis.config_set("appendfsync", "everysec")
    began = time.monotonic()
    api.lease()
    await_remembered(settings, 1)
    assert time.monotonic() - began > EVERYSEC_S - 0.2
    with monkeypatch.context() as patch:
        patch.setattr(durability, "EVERYSEC_S", 3600)  # a machine that stalls for two seconds is no fault
        api.ok("PATCH", "/devices/b", {"maintenance": ""})
        redis.set(NUMBER, 1)  # a power failure, before the next fsync
    time.sleep(EVERYSEC_S + 2 * change_memory.FLUSH_S)
    assert withheld(api) == ""
    redis.set(NUMBER, 0)
    assert "lost 1 changes" in withheld(api)


def test_with_everysec_a_permit_waits_until_it_cannot_be_lost(api: Api, redis: "Redis", settings: Settings) -> None:
    redis.config_set("appendfsync", "everysec")
    api.lease()
    api.tell(RUN_A, "boot_started")
    began = time.monotonic()
    assert api.tell(RUN_A, "power_on_requested").status_code == 202
    assert time.monotonic() - began > EVERYSEC_S - 0.2
    assert remembered(settings) == number(redis)


def test_with_everysec_a_permit_that_was_lost_meanwhile_is_not_given(
    api: Api, redis: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    redis.config_set("appendfsync", "everysec")
    api.lease()
    api.tell(RUN_A, "boot_started")
    wait = time.sleep

    def power_failure(seconds: float) -> None:
        wait(seconds)
        redis.set(NUMBER, 1)

    monkeypatch.setattr("api.state.durability.time.sleep", power_failure)
    assert api.tell(RUN_A, "power_on_requested").status_code == 503


def test_a_read_only_state_dir_at_the_first_call_withholds(
    settings: Settings, make_api: Callable[[Settings], Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", _no_space)
    assert "cannot be written" in withheld(make_api(settings))


def test_the_log_says_it_once(api: Api, redis: "Redis", settings: Settings) -> None:
    api.lease()
    await_remembered(settings, 1)
    redis.set(NUMBER, 0)
    with capture_logs() as logged:
        for _ in range(5):
            api.ok("GET", "/devices")
    assert [line["event"] for line in logged].count("every machine is withheld") == 1


def test_nothing_temporary_is_left_in_a_folder_of_our_own(api: Api, settings: Settings) -> None:
    api.lease()
    await_remembered(settings, 1)
    folder: Path = settings.state_dir
    assert {ID_FILE, MEMORY_FILE} <= {path.name for path in folder.iterdir()}
    assert list(folder.glob(".*")) == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_while_changes_are_lost_not_even_a_clean_up_may_write_and_it_comes_back_later(
    api: Api, redis: "Redis", settings: Settings
) -> None:
    """What Redis knows of the machine is old: the medium in it may be another run's."""
    api.booted()
    api.ok("POST", f"/runs/{RUN_A}/abort", {})
    await_remembered(settings, number(redis))
    redis.set(NUMBER, 1)
    early = api.tell(RUN_A, "cleanup_requested")
    assert (early.status_code, early.json.get("permit_s")) == (202, None)
    assert early.json["next_s"] > 0
    accept(api)
    assert api.tell(RUN_A, "cleanup_requested").json["permit_s"]


def test_what_is_remembered_survives_a_power_failure(
    api: Api, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file and its name in the folder are both synced, the file first."""
    synced: list[str] = []

    def record(descriptor: int) -> None:
        synced.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")

    monkeypatch.setattr(os, "fsync", record)
    memory(settings).replace(1)
    assert synced == ["file", "folder"]


def test_what_is_written_over_the_number_before_survives_a_power_failure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.state_dir.mkdir()
    memory(settings).replace(1)
    written, flags = os.pwrite, list[int]()

    def record(descriptor: int, content: bytes, offset: int) -> int:
        flags.append(fcntl.fcntl(descriptor, fcntl.F_GETFL))
        return written(descriptor, content, offset)

    monkeypatch.setattr(os, "pwrite", record)
    memory(settings).replace(2)
    assert [flag & os.O_DSYNC for flag in flags] == [os.O_DSYNC]
    assert remembered(settings) == 2


def note_as_an_earlier_version(redis: "Redis") -> None:
    """As an API of an earlier build, or its `bringup restore`, notes a loss."""
    loss = {"since": "2026-11-23T00:00:00+00:00", "host": "another", "number": "1", "at": "", "remembered": "4"}
    redis.hset(keys.LOSS, mapping=loss)  # type: ignore[arg-type]


def test_what_an_earlier_version_has_noted_withholds_from_the_next_look(
    api: Api, redis: "Redis", settings: Settings, make_api: Callable[[Settings], Api]
) -> None:
    api.lease()
    note_as_an_earlier_version(redis)
    assert api.call("GET", "/ready").status_code == 503, "every host looks so, every few seconds"
    for host in (api, make_api(settings)):
        assert "lost 3 changes" in withheld(host)
    assert api.lease(RUN_B).json["decision"] == "audit_only"


@pytest.mark.parametrize("number", ["x", "", "-1", "9" * 5000])
def test_a_loss_whose_numbers_cannot_be_read_withholds_all_the_same(api: Api, redis: "Redis", number: str) -> None:
    api.lease()
    redis.hset(keys.LOSS, mapping={"number": number, "remembered": number})
    assert api.call("GET", "/ready").status_code == 503
    assert api.lease(RUN_B).json["decision"] == "audit_only"


def test_with_a_change_number_of_another_type_no_machine_is_started(api: Api, redis: "Redis") -> None:
    api.lease()
    redis.delete(keys.CHANGE_NUMBER)
    redis.rpush(keys.CHANGE_NUMBER, "1")
    answer = api.lease(RUN_B)
    assert answer.status_code >= 500 or answer.json["decision"] == "audit_only"


def test_once_it_is_accepted_nothing_shows_a_loss_any_more(api: Api, redis: "Redis") -> None:
    api.lease()
    note_as_an_earlier_version(redis)
    api.call("GET", "/ready")
    given: Services = api.client.application.extensions["bringup"]
    given.installation.accept()
    assert not redis.exists(keys.LOSS)
    assert not redis.hexists(keys.INVENTORY_HOSTS, keys.LOSS_NOTED)
    assert api.lease(RUN_B).json["decision"] == "start"


def test_what_an_earlier_version_has_accepted_withholds_nothing(api: Api, redis: "Redis") -> None:
    api.lease()
    note_as_an_earlier_version(redis)
    api.call("GET", "/ready")
    redis.delete(keys.LOSS)
    assert api.call("GET", "/ready").status_code == 200
    assert api.lease(RUN_B).json["decision"] == "start"


def test_a_number_of_another_type_is_no_loss_to_a_host_that_remembers_changes(
    api: Api, redis: "Redis", settings: Settings
) -> None:
    api.lease()
    memory(settings).replace(1)
    redis.delete(keys.CHANGE_NUMBER)
    redis.rpush(keys.CHANGE_NUMBER, "1")
    assert api.lease(RUN_B).status_code == 503
    assert not redis.exists(keys.LOSS)
    assert api.call("GET", "/ready").status_code == 200, "it is repaired by the next look"
    assert api.lease(RUN_B).json["decision"] == "start"
