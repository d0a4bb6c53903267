"""What monitoring reads is what happened: each end counted once, each standing as it is now."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bringup import __version__
from bringup.connections.redis_client import connect_redis
from bringup.model import DeviceState
from bringup.settings import Settings
from bringup.tls import ClientContexts
from tests.integration.api.conftest import EPOCH, RUN_A, RUN_B, Api


def read(api: Api) -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels, in the order of their names."""
    answer = api.call("GET", "/metrics")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    return {(sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value for sample in samples}


def test_where_nothing_happened_nothing_is_counted_and_every_state_is_named(api: Api) -> None:
    found = read(api)
    assert not [sample for sample in found if sample[0] == "bringup_runs_ended_total"]
    assert {sample[1] for sample in found if sample[0] == "bringup_devices"} == set(DeviceState)
    assert found[("bringup_runs_open", "queued")] == 0
    assert (found[("bringup_devices", "active")], found[("bringup_devices_in_maintenance",)]) == (1, 1)


def test_runs_devices_and_jobs_are_shown_as_they_stand(api: Api) -> None:
    api.booted()
    api.lease(RUN_B)
    found = read(api)
    assert (found[("bringup_runs_open", "waiting")], found[("bringup_runs_open", "queued")]) == (1, 1)
    assert found[("bringup_boots",)] == 1
    assert found[("bringup_devices", "validating")] == 2
    assert found[("bringup_jobs", "boots", "queued")] == 2


def test_an_end_is_counted_once_whatever_follows_it(api: Api) -> None:
    token = api.booted()
    for _ in range(2):
        api.call("POST", f"/runs/{RUN_A}/report", api.report(), token)
    for kind in ("power_off_requested", "media_ejected", "finished"):
        assert api.tell(RUN_A, kind).status_code == 202
    api.lease(RUN_B)
    api.ok("POST", f"/runs/{RUN_B}/abort", {})
    for _ in range(2):
        api.lease(f"02-00-00-00-00-03-{EPOCH}")
    ended = {sample[1:]: value for sample, value in read(api).items() if sample[0] == "bringup_runs_ended_total"}
    assert ended == {("", "passed"): 1, ("aborted", "aborted"): 1, ("", "audited"): 1}


def test_only_staff_reads_them(api: Api) -> None:
    assert api.call("GET", "/metrics", token=None).status_code == 401
    assert api.call("GET", "/metrics", token=api.booted()).status_code == 401


def test_durations_are_counted_once_by_state_and_by_end(api: Api) -> None:
    token = api.booted()
    assert read(api)[("bringup_run_state_seconds_count", "booting")] == 1
    for _ in range(2):
        api.call("POST", f"/runs/{RUN_A}/report", api.report(), token)
    found = read(api)
    for state in ("queued", "booting", "waiting"):
        assert found[("bringup_run_state_seconds_count", state)] == 1
        assert found[("bringup_run_state_seconds_bucket", "+Inf", state)] == 1
    assert found[("bringup_run_seconds_count", "passed")] == 1
    assert found[("bringup_run_seconds_bucket", "7200.0", "passed")] == 1
    assert found[("bringup_run_seconds_count", "failed")] == 0
    assert 0 < found[("bringup_run_seconds_sum", "passed")] < 600


def test_what_an_api_of_an_earlier_version_has_counted_counts(api: Api, settings: Settings) -> None:
    redis = connect_redis(settings, ClientContexts(), name="tests")
    token = api.booted()
    api.call("POST", f"/runs/{RUN_A}/report", api.report(), token)
    for key, number in {
        "bringup:ended:passed:": 3,
        "bringup:ended:failed:no_boot": 2,
        "bringup:durations:run:passed:60": 4,
        "bringup:durations:run:passed:sum_ms": 100_000,
    }.items():
        redis.incrby(key, number)
    found = read(api)
    assert found[("bringup_runs_ended_total", "", "passed")] == 4
    assert found[("bringup_runs_ended_total", "no_boot", "failed")] == 2
    assert found[("bringup_run_seconds_count", "passed")] == 5
    assert found[("bringup_run_seconds_bucket", "60.0", "passed")] == 5
    assert 100 < found[("bringup_run_seconds_sum", "passed")] < 700


def test_the_requests_to_bmcs_of_all_workers_are_one_histogram_and_a_repeated_report_counts_once(api: Api) -> None:
    report = {"id": "a" * 32, "counts": [0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1], "sum_s": 90.5}
    assert api.ok("POST", "/bmc-requests", report) == {"counted": True}
    assert api.ok("POST", "/bmc-requests", report) == {"counted": False}
    assert api.ok("POST", "/bmc-requests", report | {"id": "b" * 32}) == {"counted": True}
    found = read(api)
    buckets = {bound: found[("bringup_bmc_request_seconds_bucket", bound)] for bound in ("0.1", "0.25", "60.0", "+Inf")}
    assert buckets == {"0.1": 0, "0.25": 6, "60.0": 6, "+Inf": 8}
    assert (found[("bringup_bmc_request_seconds_count",)], found[("bringup_bmc_request_seconds_sum",)]) == (8, 181)


@pytest.mark.parametrize(
    "wrong", [{"id": "x"}, {"counts": [1]}, {"counts": [-1] + 10 * [0]}, {"counts": [10**7] + 10 * [0]}, {"sum_s": -1}]
)
def test_a_wrong_report_of_requests_to_bmcs_is_refused_and_counts_nothing(api: Api, wrong: dict[str, object]) -> None:
    report = {"id": "a" * 32, "counts": 11 * [1], "sum_s": 1} | wrong
    assert api.call("POST", "/bmc-requests", report).status_code == 422
    assert read(api)[("bringup_bmc_request_seconds_count",)] == 0


def test_the_version_of_the_api_is_shown(api: Api) -> None:
    assert read(api)[("bringup_info", __version__)] == 1


# Only with Redis Sentinel: tests/integration/api/test_replication.py.
OF_SENTINEL = {"bringup_redis_replicas", "bringup_redis_replicas_known"}


@pytest.mark.parametrize("path", ["deploy/prometheus/bringup.rules.yaml", "deploy/grafana/bringup.json"])
def test_every_metric_that_a_rule_or_the_dashboard_names_is_there(api: Api, path: str) -> None:
    named = set(re.findall(r"\bbringup_\w+", (Path(__file__).parents[3] / path).read_text()))
    api.lease(RUN_B)
    api.ok("POST", f"/runs/{RUN_B}/abort", {})
    text = api.call("GET", "/metrics").text
    of_types = set(re.findall(r"^# TYPE (\w+) (?:gauge|counter)$", text, re.MULTILINE))
    histograms = {f"{name}_bucket" for name in re.findall(r"^# TYPE (\w+) histogram$", text, re.MULTILINE)}
    assert named
    assert named - of_types - histograms == (named & OF_SENTINEL)
