"""What monitoring counts is what a look at every device and run finds, whatever was changed, killed or upgraded."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from redis.client import Pipeline

from api.state import counts
from bringup import keys
from bringup.connections.redis_client import connect_redis
from bringup.errors import RedisUnavailable
from bringup.settings import Settings
from bringup.tls import ClientContexts
from tests.integration.api.conftest import EPOCH, RUN_A, RUN_B, Api
from tests.integration.api.test_metrics import read

# Before a script that counts: as if the process were killed after its first page.
_COUNTED_ONCE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return redis.error_reply('killed') end
"""
MACS = ("00-00-01", "00-00-02", "00-00-03", "00-00-04", "00-00-98", "00-00-99")


def redis_of(settings: Settings) -> Any:
    return connect_redis(settings, ClientContexts(), name="test")


def counted(api: Api) -> dict[str, Any]:
    found = read(api)
    return {
        "runs": {s[1]: n for s, n in found.items() if s[0] == "bringup_runs_open" and n},
        "devices": {s[1]: n for s, n in found.items() if s[0] == "bringup_devices" and n},
        "in maintenance": found[("bringup_devices_in_maintenance",)],
    }


def looked_at(api: Api) -> dict[str, Any]:
    devices = api.ok("GET", "/devices")["devices"]
    return {
        "runs": Counter(run["state"] for run in api.ok("GET", "/runs?open=true")["runs"]),
        "devices": Counter(device["state"] for device in devices),
        "in maintenance": sum(device["maintenance"] is not None for device in devices),
    }


def change_something(api: Api, dice: random.Random, second: int) -> None:
    """One call that may apply or be refused; either way what is counted must be what is there."""
    run_id = f"02-00-00-{dice.choice(MACS)}-{EPOCH + second % 3}"
    name = dice.choice(("a", "b", "active", "resting"))
    calls: list[Callable[[], Any]] = [
        lambda: api.lease(run_id),
        lambda: api.tell(run_id, dice.choice(("boot_started", "media_inserted", "powered_on", "finished"))),
        lambda: api.tell(run_id, "boot_failed", reason="bmc_auth"),
        lambda: api.call("POST", f"/runs/{run_id}/abort", {}),
        lambda: api.call("PATCH", f"/devices/{name}", {"maintenance": dice.choice(("", "disk"))}),
        lambda: api.call("PATCH", f"/devices/{name}", {"state": dice.choice(("active", "approved", "discovered"))}),
        lambda: api.call("POST", f"/devices/{name}/runs", {}),
    ]
    assert dice.choice(calls)().status_code < 500


@pytest.mark.parametrize("seed", range(4))
def test_after_any_changes_the_counts_are_what_is_there(api: Api, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - no secret
    assert counted(api) == looked_at(api)
    for second in range(60):
        change_something(api, dice, second)
        if second % 10 == 9:
            assert counted(api) == looked_at(api)


def test_two_api_hosts_count_together(settings: Settings, make_api: Callable[[Settings], Api]) -> None:
    hosts, dice = (make_api(settings), make_api(settings)), random.Random(7)  # noqa: S311 - no secret
    for api in hosts:
        counted(api)
    for second in range(40):
        change_something(hosts[second % 2], dice, second)
    assert counted(hosts[0]) == counted(hosts[1]) == looked_at(hosts[0])


def test_a_transaction_that_is_not_executed_is_not_counted(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a kill before EXEC: neither the record nor its count is there."""
    api.lease(RUN_A)
    before = counted(api)

    original, serving = Pipeline.execute, threading.get_ident()

    def killed(self: Pipeline, *args: Any) -> Any:
        if threading.get_ident() == serving and self.explicit_transaction:
            raise KeyboardInterrupt
        return original(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Pipeline, "execute", killed)
        with pytest.raises(KeyboardInterrupt):
            api.call("POST", f"/runs/{RUN_A}/abort", {})
    assert counted(api) == before == looked_at(api)


@pytest.mark.parametrize(
    "lost",
    [(keys.DEVICE_CLASSES,), (keys.RUN_CLASSES,), (keys.DEVICE_CLASSES, keys.RUN_CLASSES)],
)
def test_what_an_earlier_version_left_uncounted_is_counted_by_the_next_process(
    api: Api, settings: Settings, make_api: Callable[[Settings], Api], lost: tuple[str, ...]
) -> None:
    api.booted(RUN_A)
    api.lease(RUN_B)
    counted(api)
    redis_of(settings).delete(*lost)
    api.ok("PATCH", "/devices/active", {"maintenance": "one change before the first look"})
    assert counted(make_api(settings)) == looked_at(api)
    assert counted(api) == looked_at(api)


def test_a_process_looks_again_when_the_counts_are_gone(api: Api, settings: Settings) -> None:
    api.booted(RUN_A)
    api.ok("PATCH", "/devices/b", {"state": "discovered"})  # no longer approved
    api.ok("PATCH", "/devices/active", {"maintenance": "disk"})
    api.ok("PATCH", "/devices/a", {"maintenance": "disk"})
    api.ok("PATCH", "/devices/a", {"maintenance": ""})
    counted(api)
    redis_of(settings).delete(keys.DEVICE_CLASSES, keys.RUN_CLASSES)
    assert counted(api) == looked_at(api)
    assert counted(api)["devices"]["discovered"] == 1


def test_what_an_earlier_version_changes_beside_is_counted_by_the_next_process(
    api: Api, settings: Settings, make_api: Callable[[Settings], Api]
) -> None:
    api.booted(RUN_A)
    counted(api)
    redis = redis_of(settings)
    redis.hset(keys.device("a"), "state", '"failed"')
    redis.hset(keys.run(RUN_A), mapping={"state": '"failed"', "closed_at": '"2026-11-23T10:00:00Z"'})
    redis.srem(keys.OPEN_RUNS, RUN_A)
    assert counted(make_api(settings)) == looked_at(api)


def test_a_process_whose_first_look_failed_looks_again(
    api: Api, settings: Settings, make_api: Callable[[Settings], Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    api.lease(RUN_A)
    counted(api)
    redis_of(settings).hset(keys.device("a"), "state", '"failed"')  # by an earlier version
    another, count = make_api(settings), counts.Counts._count

    def away_for_devices(self: counts.Counts, of: Any, begin: Any) -> None:
        if of.classes == keys.DEVICE_CLASSES:
            raise RedisUnavailable("away")
        count(self, of, begin)

    with monkeypatch.context() as patch:
        patch.setattr(counts.Counts, "_count", away_for_devices)
        another.call("GET", "/metrics")
    assert counted(another) == looked_at(another)


def test_a_name_without_a_record_is_counted_by_its_entry_alone(api: Api, settings: Settings) -> None:
    api.lease(RUN_A)
    redis_of(settings).delete(keys.device("a"), keys.DEVICE_CLASSES)
    redis_of(settings).sadd(keys.DEVICES, "neither on record nor in the inventory")
    assert counted(api)["devices"] == looked_at(api)["devices"]


def test_the_hashes_by_which_an_earlier_build_counted_do_not_stay(api: Api, settings: Settings) -> None:
    for key in keys.COUNTED_BEFORE:
        redis_of(settings).hset(key, "complete", "-")
    counted(api)
    assert redis_of(settings).exists(*keys.COUNTED_BEFORE) == 0


def test_a_count_that_was_begun_and_not_finished_is_not_shown(
    api: Api, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.lease(RUN_A)
    api.lease(RUN_B)
    redis_of(settings).delete(keys.DEVICE_CLASSES, keys.RUN_CLASSES)
    with monkeypatch.context() as patch:
        patch.setattr("api.state.counts._AT_ONCE", 1)
        patch.setattr("api.state.counts._COUNT", _COUNTED_ONCE + counts._COUNT)
        api.call("GET", "/metrics")
    assert redis_of(settings).zcard(keys.RUN_CLASSES) + redis_of(settings).zcard(keys.DEVICE_CLASSES) == 1
    assert counted(api) == looked_at(api)


def test_a_new_inventory_is_counted_anew(api: Api) -> None:
    api.lease(RUN_A)
    counted(api)
    text = api.inventory.read_text()
    api.inventory.write_text(text.replace('state = "active"', 'state = "approved"').replace('"b"', '"another"'))
    assert counted(api) == looked_at(api)
    api.lease(RUN_B)
    assert counted(api) == looked_at(api)


def test_devices_of_which_the_hosts_differ_count_as_in_maintenance(
    settings: Settings, make_api: Callable[[Settings], Api], tmp_path: Any
) -> None:
    api = make_api(settings)
    other = make_api(
        settings.model_copy(update={"state_dir": tmp_path / "other", "devices_file": tmp_path / "other.toml"})
    )
    api.lease(RUN_A)
    other.inventory.write_text(other.inventory.read_text().replace("memory_gib = 64", "memory_gib = 32"))
    other.ok("GET", "/devices")
    for one in (api, other, api):
        assert counted(one) == looked_at(one)
    assert counted(api)["in maintenance"] == 2


def test_a_state_of_a_later_version_is_counted_as_unknown(api: Api, settings: Settings) -> None:
    api.lease(RUN_A)
    redis_of(settings).hset(keys.device("a"), "state", '"retired|m"')
    redis_of(settings).hset(keys.run(RUN_A), "state", '"paused"')
    assert counted(api) == looked_at(api)
    assert counted(api)["devices"]["unknown"] == 1


def test_monitoring_looks_at_no_single_device_or_run(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.booted(RUN_A)
    counted(api)
    for name in ("devices", "runs", "device", "run"):
        monkeypatch.delattr(f"api.state.reader.Reader.{name}")
    counted(api)


def test_each_change_moves_what_it_changes_and_monitoring_counts_nothing_anew(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted(api)
    monkeypatch.delattr("api.state.counts.Counts._count")
    api.booted(RUN_A)
    api.ok("PATCH", "/devices/b", {"maintenance": "disk"})
    assert counted(api) == looked_at(api)
    api.ok("POST", f"/runs/{RUN_A}/abort", {})
    assert counted(api) == looked_at(api)
    api.tell(RUN_A, "finished")
    assert counted(api) == looked_at(api)
    assert counted(api)["runs"] == {}
