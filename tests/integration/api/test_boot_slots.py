"""The boot limits hold however many ask at once, and a slot that is free goes to the run that has waited longest."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from api.state import boot_slots
from api.state.snapshot import Snapshot, SnapshotRequest, Snapshots
from bringup import keys
from bringup.connections.redis_client import connect_redis
from bringup.settings import Settings
from bringup.tls import ClientContexts
from tests.integration.api.conftest import EPOCH, RUN_A, RUN_B, Api

MACHINES = 24
LIMIT = 5


def run_of(number: int) -> str:
    return f"02-00-00-00-10-{number:02x}-{EPOCH + number}"


def fleet(*, groups: str = "", group_of: Callable[[int], str] = lambda _: "") -> str:
    return groups + "".join(
        f'[[device]]\nname = "m{number}"\nbmc_mac = "02:00:00:00:10:{number:02x}"\n'
        f'bmc = "simulated://127.0.0.1:9/m{number}"\n{group_of(number)}\n'
        for number in range(MACHINES)
    )


def two_hosts(settings: Settings, make_api: Callable[[Settings], Api], inventory: str) -> tuple[Api, Api]:
    """Two applications on one Redis, as on two hosts, with a lease of every machine."""
    hosts = make_api(settings), make_api(settings)
    settings.devices_file.write_text(inventory)
    for number in range(MACHINES):
        run_id = run_of(number)
        minutes, seconds = divmod(36 + number, 60)
        started = hosts[0].lease(run_id, starts=f"2026-11-23T09:{41 + minutes}:{seconds:02}Z", ip=f"10.0.1.{number}")
        assert started.json["decision"] == "start", started.json
    return hosts


def storm(hosts: tuple[Api, Api], numbers: Iterator[int] | range) -> list[int]:
    """All ask at once, half of them each host; returns those that may boot."""

    def ask(number: int) -> tuple[int, int]:
        client = hosts[number % 2].client.application.test_client()
        answer = Api(client, hosts[0].inventory).tell(run_of(number), "boot_started")
        return number, answer.status_code

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, numbers))
    assert {status for _, status in answers} <= {202, 429}
    return [number for number, status in answers if status == 202]


@pytest.fixture
def limited(settings: Settings) -> Settings:
    return settings.model_copy(update={"max_concurrent_boots": LIMIT})


def test_of_many_that_ask_two_hosts_at_once_no_more_boot_than_the_limit(
    limited: Settings, make_api: Callable[[Settings], Api]
) -> None:
    hosts = two_hosts(limited, make_api, fleet())
    assert len(storm(hosts, range(MACHINES))) == LIMIT


def test_as_many_boot_of_a_group_as_it_may_and_the_rest_of_the_limit_is_for_others(
    limited: Settings, make_api: Callable[[Settings], Api]
) -> None:
    # As many of no group as the group leaves: with more of them, who asks first would decide how many of which boot.
    rack = fleet(groups='[boot_groups]\n"rack-1" = 2\n', group_of=lambda n: 'boot_group = "rack-1"' if n % 8 else "")
    booting = storm(two_hosts(limited, make_api, rack), range(MACHINES))
    assert (len(booting), sum(1 for number in booting if number % 8)) == (LIMIT, 2)


def test_a_slot_goes_to_the_run_that_has_waited_longest_with_its_boot_job(
    limited: Settings, make_api: Callable[[Settings], Api]
) -> None:
    hosts = two_hosts(limited, make_api, fleet())
    booting = storm(hosts, range(MACHINES))
    waiting = [number for number in range(MACHINES) if number not in booting]
    before = hosts[0].jobs()["boots"]
    hosts[0].ok("POST", f"/runs/{run_of(booting[0])}/abort", {})
    assert hosts[0].jobs()["boots"] == before + 1
    line = hosts[0].run(run_of(waiting[0]))["timeline"][-1]
    assert (line["type"], line["applied"]) == ("boot_slot_given", True)
    assert storm(hosts, iter(waiting[1:])) == [], "the slot is kept for the run that it was given to"
    assert storm(hosts, iter(waiting[:1])) == waiting[:1]


def test_a_run_that_ends_as_it_waits_gets_no_slot(limited: Settings, make_api: Callable[[Settings], Api]) -> None:
    hosts = two_hosts(limited, make_api, fleet())
    booting = storm(hosts, range(MACHINES))
    waiting = [number for number in range(MACHINES) if number not in booting]
    hosts[0].ok("POST", f"/runs/{run_of(waiting[0])}/abort", {})
    hosts[0].ok("POST", f"/runs/{run_of(booting[0])}/abort", {})
    assert hosts[0].run(run_of(waiting[1]))["timeline"][-1]["type"] == "boot_slot_given"


def test_a_full_group_does_not_hold_up_those_behind_it(limited: Settings, make_api: Callable[[Settings], Api]) -> None:
    rack = fleet(groups='[boot_groups]\n"rack-1" = 1\n', group_of=lambda n: 'boot_group = "rack-1"' if n < 12 else "")
    hosts = two_hosts(limited, make_api, rack)
    assert storm(hosts, iter([0])) == [0]
    assert len(storm(hosts, range(1, MACHINES))) == LIMIT - 1
    first_of_others = next(n for n in range(12, MACHINES) if hosts[0].run(run_of(n))["state"] == "queued")
    ended = next(n for n in range(12, MACHINES) if hosts[0].run(run_of(n))["state"] == "booting")
    hosts[0].ok("POST", f"/runs/{run_of(ended)}/abort", {})
    assert hosts[0].run(run_of(first_of_others))["timeline"][-1]["type"] == "boot_slot_given"
    hosts[0].ok("POST", f"/runs/{run_of(0)}/abort", {})
    assert hosts[0].run(run_of(1))["timeline"][-1]["type"] == "boot_slot_given"


def test_a_raised_limit_lets_those_that_wait_ask_again(limited: Settings, make_api: Callable[[Settings], Api]) -> None:
    hosts = two_hosts(limited, make_api, fleet())
    storm(hosts, range(MACHINES))
    path = "/runs?open=true&waiting=false"
    assert len(hosts[0].ok("GET", path)["runs"]) == LIMIT, "nothing is asked of those that wait"
    raised = make_api(limited.model_copy(update={"max_concurrent_boots": MACHINES}))
    limited.devices_file.write_text(fleet())
    assert [run["required_jobs"] for run in raised.ok("GET", path)["runs"]].count(["boot"]) == MACHINES - LIMIT


def test_a_run_of_an_older_version_that_boots_counts(settings: Settings, make_api: Callable[[Settings], Api]) -> None:
    api = make_api(settings.model_copy(update={"max_concurrent_boots": 1}))
    api.lease(RUN_A)
    api.lease(RUN_B)
    assert api.tell(RUN_A, "boot_started").status_code == 202
    connect_redis(settings, ClientContexts(), name="test").hdel(keys.run(RUN_A), "boot_slot", "boot_group")
    assert api.tell(RUN_B, "boot_started").status_code == 429
    api.ok("POST", f"/runs/{RUN_A}/abort", {})
    assert api.tell(RUN_B, "boot_started").status_code == 202


def as_older_host(settings: Settings, run_id: str, state: str) -> None:
    """What an API host of the version before boot slots writes when it moves a run: it knows one set alone."""
    redis = connect_redis(settings, ClientContexts(), name="test")
    redis.hset(keys.run(run_id), "state", f'"{state}"')
    (redis.sadd if state in {"booting", "waiting"} else redis.srem)(keys.BOOTING_RUNS, run_id)


def test_a_run_that_waited_and_was_started_by_an_older_host_has_its_lost_jobs_restored(
    settings: Settings, make_api: Callable[[Settings], Api]
) -> None:
    api = make_api(settings.model_copy(update={"max_concurrent_boots": 1}))
    for run_id in (RUN_A, RUN_B):
        api.lease(run_id)
        api.tell(run_id, "boot_started")
    as_older_host(settings, RUN_A, "failed")
    as_older_host(settings, RUN_B, "booting")
    shown = {run["run_id"]: run["required_jobs"] for run in api.ok("GET", "/runs?open=true&waiting=false")["runs"]}
    assert shown[RUN_B] == ["boot", "expire"]


def test_a_run_that_waited_and_was_ended_by_an_older_host_does_not_stay_among_those_that_wait(
    settings: Settings, make_api: Callable[[Settings], Api]
) -> None:
    api = make_api(settings.model_copy(update={"max_concurrent_boots": 1}))
    for run_id in (RUN_A, RUN_B):
        api.lease(run_id)
        api.tell(run_id, "boot_started")
    as_older_host(settings, RUN_B, "aborted")
    api.ok("POST", f"/runs/{RUN_A}/abort", {})
    assert connect_redis(settings, ClientContexts(), name="test").zcard(keys.WAITING_RUNS) == 0


def test_a_boot_that_an_older_host_has_ended_takes_no_place_in_its_group(
    limited: Settings, make_api: Callable[[Settings], Api]
) -> None:
    rack = fleet(groups='[boot_groups]\n"rack-1" = 1\n', group_of=lambda n: 'boot_group = "rack-1"' if n < 12 else "")
    hosts = two_hosts(limited, make_api, rack)
    assert storm(hosts, iter([0, 12])) == [0, 12]
    assert storm(hosts, iter([1])) == []
    as_older_host(limited, run_of(0), "failed")
    hosts[0].ok("POST", f"/runs/{run_of(12)}/abort", {})
    assert hosts[0].run(run_of(1))["timeline"][-1]["type"] == "boot_slot_given"


def test_below_a_lowered_limit_no_slot_is_handed_on_until_enough_have_ended(
    limited: Settings, make_api: Callable[[Settings], Api]
) -> None:
    hosts = two_hosts(limited, make_api, fleet())
    booting = storm(hosts, range(MACHINES))
    lowered = make_api(limited.model_copy(update={"max_concurrent_boots": 2}))
    limited.devices_file.write_text(fleet())
    redis = connect_redis(limited, ClientContexts(), name="test")
    left = []
    for number in booting:
        lowered.ok("POST", f"/runs/{run_of(number)}/abort", {})
        left.append(redis.scard(keys.BOOTING_RUNS))
    assert left == [4, 3, 2, 2, 2]


@pytest.mark.parametrize("groups", ["", '[boot_groups]\n"rack-1" = 2\n'])
def test_a_group_that_is_removed_or_gets_a_higher_limit_holds_up_nobody(
    limited: Settings, make_api: Callable[[Settings], Api], groups: str
) -> None:
    of_group = {"group_of": lambda _: 'boot_group = "rack-1"'}
    hosts = two_hosts(limited, make_api, fleet(groups='[boot_groups]\n"rack-1" = 1\n', **of_group))
    assert storm(hosts, iter([0])) == [0]
    assert storm(hosts, iter([1, 2])) == []
    limited.devices_file.write_text(fleet(groups=groups, **(of_group if groups else {})))
    fresh = make_api(limited)
    limited.devices_file.write_text(fleet(groups=groups, **(of_group if groups else {})))
    runs = {run["run_id"]: run for run in fresh.ok("GET", "/runs?open=true&waiting=false")["runs"]}
    assert runs[run_of(1)]["required_jobs"] == ["boot"], "the reaper has it ask again"
    assert fresh.tell(run_of(1), "boot_started").status_code == 202


@pytest.mark.parametrize("gone", ["inventory", "maintenance"])
def test_a_machine_that_may_not_boot_any_more_hands_its_slot_on(
    settings: Settings, make_api: Callable[[Settings], Api], gone: str
) -> None:
    limited = settings.model_copy(update={"max_concurrent_boots": 1})
    hosts = two_hosts(limited, make_api, fleet())
    for number in (0, 1, 2):
        hosts[0].tell(run_of(number), "boot_started")
    if gone == "maintenance":
        hosts[0].ok("PATCH", "/devices/m1", {"maintenance": "disk"})
    else:
        limited.devices_file.write_text(fleet().replace('"m1"', '"other"').replace("10:01", "77:01"))
    hosts[0].ok("POST", f"/runs/{run_of(0)}/abort", {})
    given = hosts[0].run(run_of(1))["timeline"][-1]["type"] == "boot_slot_given"
    if given:  # its boot job asks, is refused a permit, and ends the run
        assert hosts[0].tell(run_of(1), "boot_started").status_code == 202
        assert hosts[0].tell(run_of(1), "write_requested").status_code == 409
        assert hosts[0].tell(run_of(1), "boot_failed", reason="aborted").status_code == 202
    assert hosts[0].run(run_of(2))["timeline"][-1]["type"] == "boot_slot_given"


def once_after_reading(key: str, api: Api, act: Callable[[], object], patch: pytest.MonkeyPatch) -> None:
    """Let something happen right after a watched key was read first, before its transaction is executed."""
    database = api.client.application.extensions["bringup"].database
    original, acted = database.read_watched, False

    def read_watched(pipe: Any, batch: Any, *watched: str) -> None:
        nonlocal acted
        original(pipe, batch, *watched)
        if key in watched and not acted:
            acted = True
            act()

    patch.setattr(database, "read_watched", read_watched)


def test_a_run_that_begins_to_wait_while_the_slot_is_given_back_does_not_miss_it(
    settings: Settings, make_api: Callable[[Settings], Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = settings.model_copy(update={"max_concurrent_boots": 1})
    api, other = make_api(one), make_api(one)
    for run_id in (RUN_A, RUN_B):
        api.lease(run_id)
    api.tell(RUN_A, "boot_started")
    once_after_reading(keys.WAITING_RUNS, api, lambda: other.tell(RUN_B, "boot_started"), monkeypatch)
    api.ok("POST", f"/runs/{RUN_A}/abort", {})
    assert api.run(RUN_B)["timeline"][-1]["type"] == "boot_slot_given"


def test_a_run_that_an_older_host_ends_while_it_is_given_the_slot_does_not_keep_it(
    settings: Settings, make_api: Callable[[Settings], Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = make_api(settings.model_copy(update={"max_concurrent_boots": 1}))
    for run_id in (RUN_A, RUN_B):
        api.lease(run_id)
        api.tell(run_id, "boot_started")
    store = api.client.application.extensions["bringup"].store
    # It knows nothing of those that wait: only the record of the run shows that it has ended.
    redis = connect_redis(settings, ClientContexts(), name="test")
    ended = partial(redis.hset, keys.run(RUN_B), "state", '"aborted"')
    once_after_reading(keys.run(RUN_B), api, ended, monkeypatch)
    api.ok("POST", f"/runs/{RUN_A}/abort", {})
    assert store.boot_slots.count_booting() == 0
    assert api.run(RUN_B)["timeline"][-1]["type"] == "boot_slot_awaited"


def test_of_many_that_ask_one_process_at_once_none_is_computed_twice(
    limited: Settings, make_api: Callable[[Settings], Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    host, _ = two_hosts(limited, make_api, fleet())
    begun: list[str] = []
    unpatched = Snapshots.take

    def take(snapshots: Snapshots, pipe: Any, wanted: SnapshotRequest) -> Snapshot:
        begun.append(wanted.run_id)
        return unpatched(snapshots, pipe, wanted)

    monkeypatch.setattr(Snapshots, "take", take)
    assert len(storm((host, host), range(MACHINES))) == LIMIT
    assert len(begun) == MACHINES


def test_one_that_waits_long_for_those_before_it_asks_beside_them(
    limited: Settings, make_api: Callable[[Settings], Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot_slots, "_TURN_S", 0.01)
    host, other = two_hosts(limited, make_api, fleet())
    slots = host.client.application.extensions["bringup"].store.boot_slots
    with slots.turn():
        assert len(storm((host, other), range(MACHINES))) == LIMIT, "and the limit holds, too"
