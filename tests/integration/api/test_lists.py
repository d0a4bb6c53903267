"""The lists of runs and devices: pages, filters, what a client has already; and they show what single records show."""

import gzip
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from api.services import Services
from bringup import keys
from bringup.connections.redis_client import connect_redis
from bringup.settings import Settings
from bringup.tls import ClientContexts
from bringup.wire.operator import DeviceList, DeviceView
from bringup.wire.run import Run, RunList
from tests.integration.api.conftest import EPOCH, RUN_A, RUN_B, Api

STRANGER = f"02-00-00-00-00-99-{EPOCH}"


def names(api: Api, query: str = "") -> list[str]:
    return [device["name"] for device in api.ok("GET", f"/devices{query}")["devices"]]


def ids(api: Api, query: str = "") -> list[str]:
    return [run["run_id"] for run in api.ok("GET", f"/runs{query}")["runs"]]


def several(api: Api) -> None:
    """Runs in several states, one of a machine that the inventory does not know."""
    token = api.booted(RUN_A)
    api.call("POST", f"/runs/{RUN_A}/report", api.report(), token)
    api.lease(RUN_B)
    api.lease(STRANGER)
    api.ok("PATCH", "/devices/b", {"maintenance": 'a "disk" at rack ü'})


def redis_of(settings: Settings) -> Any:
    return connect_redis(settings, ClientContexts(), name="test")


def test_a_list_shows_of_each_device_what_the_device_alone_shows(api: Api) -> None:
    several(api)
    shown = api.ok("GET", "/devices")["devices"]
    assert {device["name"] for device in shown} > {"a", "b", "active", "resting"}
    for device in shown:
        alone = api.ok("GET", f"/devices/{device['name']}")
        assert device == {name: alone[name] for name in DeviceView.model_fields}
    DeviceList.model_validate_json(api.call("GET", "/devices").data, strict=True)


def test_a_list_shows_of_each_run_what_the_run_alone_shows(api: Api) -> None:
    several(api)
    shown = api.ok("GET", "/runs")["runs"]
    assert {run["state"] for run in shown} == {"passed", "queued", "audited"}
    for run in shown:
        alone = api.ok("GET", f"/runs/{run['run_id']}")
        assert list(run) == list(Run.model_fields)
        assert run == {name: alone[name] for name in Run.model_fields}
    RunList.model_validate_json(api.call("GET", "/runs").data, strict=True)


def test_a_record_that_lacks_a_field_or_holds_another_versions_word_is_shown_as_before(
    api: Api, settings: Settings
) -> None:
    several(api)
    runs, devices = api.ok("GET", "/runs"), api.ok("GET", "/devices")
    redis = redis_of(settings)
    redis.hdel(keys.run(RUN_A), "boot_group")
    redis.hdel(keys.device("a"), "unapproved")
    assert api.ok("GET", "/runs") == runs
    assert api.ok("GET", "/devices") == devices
    redis.hset(keys.device("a"), "state", '"of tomorrow"')
    redis.hset(keys.run(RUN_A), "decision", '"of tomorrow"')
    states = {device["name"]: device["state"] for device in api.ok("GET", "/devices")["devices"]}
    assert states["a"] == "unknown"
    assert {run["decision"] for run in api.ok("GET", "/runs")["runs"]} == {"unknown", "start", "audit_only"}


@pytest.mark.parametrize("verdict", ['{"state":"passed","checks":[{"name":"n","status":"pass"}]}', '{"state":5}', "[]"])
def test_a_verdict_of_another_version_is_shown_as_the_run_alone_shows_it(
    api: Api, settings: Settings, verdict: str
) -> None:
    several(api)
    redis_of(settings).hset(keys.run(RUN_A), "verdict", verdict)
    shown = {run["run_id"]: run["verdict"] for run in api.ok("GET", "/runs")["runs"]}
    alone = api.call("GET", f"/runs/{RUN_A}")
    assert shown.get(RUN_A) == (alone.json["verdict"] if alone.status_code == 200 else None)
    assert {RUN_B, STRANGER} <= set(shown)


@pytest.mark.parametrize("value", ["no JSON", '"x"},{"run_id":"y"'])
def test_a_record_that_cannot_be_read_hides_no_other(api: Api, settings: Settings, value: str) -> None:
    several(api)
    redis = redis_of(settings)
    redis.hset(keys.run(RUN_A), "hostname", value)
    redis.hset(keys.device("a"), "ip", value)
    redis.delete(keys.device("b"))
    redis.set(keys.device("b"), "no hash")
    assert set(ids(api)) == {RUN_B, STRANGER}
    assert {"active", "resting"} < set(names(api))
    assert not {"a", "b"} & set(names(api))


def test_pages_of_devices_are_the_whole_list_in_order(api: Api) -> None:
    several(api)
    whole, found = names(api), list[str]()
    while page := names(api, f"?limit=2&after={found[-1]}" if found else "?limit=2"):
        assert len(page) <= 2
        found += page
    assert found == whole == sorted(whole)


def test_pages_of_runs_are_the_whole_list_also_where_all_have_one_time(api: Api, settings: Settings) -> None:
    several(api)
    redis_of(settings).zadd(keys.RUNS, dict.fromkeys((RUN_A, RUN_B, STRANGER), 1795426896.123457))
    whole = ids(api)
    assert len(whole) == 3
    assert [ids(api, f"?limit=1&after={run_id}") for run_id in whole] == [[whole[1]], [whole[2]], []]
    assert ids(api, f"?limit=2&after={whole[0]}") == whole[1:]


def test_a_page_after_a_run_that_is_forgotten_is_empty(api: Api) -> None:
    several(api)
    assert ids(api, "?after=02-00-00-00-00-77-1") == []


@pytest.mark.parametrize(("query", "read"), [("state=passed", 1), ("state=aborted&reason=aborted", 0), ("", 3)])
def test_of_runs_that_a_filter_leaves_out_only_two_fields_are_read(
    api: Api, settings: Settings, query: str, read: int
) -> None:
    several(api)
    redis = redis_of(settings)

    def records_read() -> int:
        return int(redis.info("commandstats")["cmdstat_hgetall"]["calls"])

    before = records_read()
    assert len(ids(api, f"?{query}")) == read
    assert records_read() - before == read


def test_a_state_of_another_version_is_found_as_unknown(api: Api, settings: Settings) -> None:
    several(api)
    redis_of(settings).hset(keys.run(RUN_B), "state", '"of tomorrow"')
    assert ids(api, "?state=unknown") == [RUN_B]


def test_filters_leave_out_what_is_not_asked_for(api: Api) -> None:
    several(api)
    assert names(api, "?state=validated") == ["a"]
    assert names(api, "?state=active&maintenance=false") == ["active"]
    assert names(api, "?maintenance=true") == ["b", "resting"]
    assert names(api, "?name=sti") == ["resting"]
    assert names(api, "?maintenance=true&limit=1&after=b") == ["resting"]
    assert ids(api, "?state=passed") == [RUN_A]
    assert ids(api, "?device=b") == [RUN_B]
    assert ids(api, "?device=b&state=passed") == []


def test_runs_are_listed_by_the_reason_why_they_ended(api: Api) -> None:
    several(api)
    api.ok("POST", f"/runs/{RUN_B}/abort", {})
    assert ids(api, "?reason=aborted") == [RUN_B]
    assert ids(api, "?reason=aborted&state=failed") == ids(api, "?reason=no_boot") == []


def test_runs_and_devices_are_listed_from_a_time_on(api: Api) -> None:
    several(api)
    times = [datetime.fromisoformat(run["created_at"]) for run in api.ok("GET", "/runs")["runs"]]
    for since in (*times, times[-1] - timedelta(days=1)):
        found = ids(api, f"?since={since:%Y-%m-%dT%H:%M:%S.%fZ}")
        assert len(found) == sum(time >= since for time in times)
    assert ids(api, "?since=2999-01-01T00:00:00Z") == names(api, "?since=2999-01-01T00:00:00Z") == []
    assert set(names(api, "?since=2020-01-01T00:00:00Z")) == {"a", "b", STRANGER.rpartition("-")[0]}


@pytest.mark.parametrize(
    "query",
    [
        *(f"/devices?{q}" for q in ("limit=0", "limit=-1", "limit=10001", "limit=1_0", "limit=%D9%A3", "limit=")),
        *(f"/devices?{q}" for q in ("state=broken", "maintenance=yes", "stat=active", "name=", "limit=1&limit=2")),
        *(f"/runs?{q}" for q in ("limit=0", "limit=1e3", "after=x", "state=broken", "open=1", "opne=true")),
        *(
            f"/runs?{q}"
            for q in ("reason=broken", "since=yesterday", "since=2026-11-29T10:00:00", "open=true&reason=aborted")
        ),
        *(f"/runs?{q}" for q in ("open=true&state=passed", f"open=true&after={RUN_A}", "open=true&device=a")),
    ],
)
def test_a_parameter_that_is_wrong_or_unknown_is_refused(api: Api, query: str) -> None:
    answer = api.call("GET", query)
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")


@pytest.mark.parametrize("path", ["/devices", "/runs", "/devices?limit=2", "/runs?open=true&waiting=false"])
def test_a_list_that_the_client_has_is_not_sent_again_until_it_changes(api: Api, path: str) -> None:
    several(api)
    first = api.call("GET", path)
    known = {"If-None-Match": first.headers["ETag"]}
    again = api.call("GET", path, headers=known)
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    api.ok("POST", f"/runs/{RUN_B}/abort", {})
    assert api.call("GET", path, headers=known).status_code == 200
    assert first.headers["ETag"].startswith('W/"')


def test_a_heartbeat_changes_the_list_of_runs_and_not_that_of_devices(api: Api) -> None:
    token = api.booted()
    beat = {"boot_id": "b", "uptime_s": 5.0}
    api.ok("POST", f"/runs/{RUN_A}/heartbeat", beat, token)
    known = {path: {"If-None-Match": api.call("GET", path).headers["ETag"]} for path in ("/runs", "/devices")}
    api.ok("POST", f"/runs/{RUN_A}/heartbeat", beat, token)
    assert api.call("GET", "/runs", headers=known["/runs"]).status_code == 200
    assert api.call("GET", "/devices", headers=known["/devices"]).status_code == 304


def test_a_changed_inventory_and_another_query_are_another_list(api: Api) -> None:
    known = {"If-None-Match": api.call("GET", "/devices").headers["ETag"]}
    assert api.call("GET", "/devices?limit=1", headers=known).status_code == 200
    api.inventory.write_text(api.inventory.read_text().replace('"disk replacement"', '"another reason"'))
    assert api.call("GET", "/devices", headers=known).status_code == 200


def test_a_list_has_no_tag_while_the_api_hosts_have_different_inventories(
    settings: Settings, make_api: Callable[[Settings], Api], tmp_path: Any
) -> None:
    api = make_api(settings)
    other = make_api(
        settings.model_copy(update={"state_dir": tmp_path / "other", "devices_file": tmp_path / "other.toml"})
    )
    other.inventory.write_text(other.inventory.read_text().replace('"disk replacement"', '"another reason"'))
    api.ok("GET", "/devices")
    other.ok("GET", "/devices")
    assert "ETag" not in api.call("GET", "/devices").headers
    assert "ETag" in api.call("GET", "/runs").headers


def test_a_list_is_compressed_for_a_client_that_takes_it(api: Api) -> None:
    several(api)
    plain = api.call("GET", "/runs")
    packed = api.call("GET", "/runs", headers={"Accept-Encoding": "gzip"})
    assert (plain.headers.get("Content-Encoding"), packed.headers["Content-Encoding"]) == (None, "gzip")
    assert json.loads(gzip.decompress(packed.data)) == plain.json


def test_a_machine_that_is_new_in_redis_or_in_the_inventory_is_listed_at_once(api: Api) -> None:
    before = set(names(api))
    api.lease(STRANGER)
    assert set(names(api)) - before == {"02-00-00-00-00-99"}
    api.inventory.write_text(api.inventory.read_text().replace('name = "resting"', 'name = "other"'))
    assert "other" in names(api)


def test_a_device_that_redis_has_lost_is_listed_no_more(api: Api, settings: Settings) -> None:
    api.lease(STRANGER)
    assert "02-00-00-00-00-99" in names(api)
    redis = redis_of(settings)
    redis.flushall()
    redis.sadd(keys.DEVICES, "02-00-00-00-00-98")
    assert "02-00-00-00-00-99" not in names(api)


def test_a_new_run_ends_what_its_device_lists_of_runs_that_are_forgotten(api: Api, settings: Settings) -> None:
    redis = connect_redis(settings, ClientContexts(), name="tests")
    api.lease(RUN_A)
    api.ok("POST", f"/runs/{RUN_A}/abort", {})
    api.tell(RUN_A, "finished")
    for index in (keys.device_runs("a"), keys.RUNS):
        redis.zadd(index, {"02-00-00-00-00-01-1": 1})
    given: Services = api.client.application.extensions["bringup"]
    given.store._writer._forget_at = 0.0  # a minute later
    later = f"{RUN_A.rpartition('-')[0]}-{EPOCH + 1}"
    assert api.lease(later, starts="2026-11-23T09:41:37Z").status_code == 201
    for index in (keys.device_runs("a"), keys.RUNS):
        assert redis.zrange(index, 0, -1) == [RUN_A.encode(), later.encode()]
