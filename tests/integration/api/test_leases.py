"""A lease at the API: what is started, what is only written down, and that a repeat changes nothing."""

from collections.abc import Callable

import pytest

from bringup.settings import Settings
from tests.integration.api.conftest import EPOCH, LEASE, RUN_A, RUN_B, Api


def test_a_lease_of_an_approved_machine_starts_one_run_and_one_boot_job(api: Api) -> None:
    answer = api.lease()
    assert (answer.status_code, answer.json["decision"]) == (201, "start")
    assert api.jobs()["boots"] == 1


def test_the_same_lease_again_is_known_and_starts_nothing(api: Api) -> None:
    first = api.lease().json
    for _ in range(3):
        again = api.lease()
        assert (again.status_code, again.json) == (200, first)
    assert api.jobs()["boots"] == 1
    assert len(api.ok("GET", "/runs")["runs"]) == 1


def test_another_lease_of_a_machine_that_runs_belongs_to_its_run(api: Api) -> None:
    api.lease()
    later = api.lease(f"02-00-00-00-00-01-{EPOCH + 60}", starts="2026-11-23T09:42:36Z")
    assert (later.status_code, later.json["decision"], later.json["run_id"]) == (200, "running", RUN_A)
    assert [entry["type"] for entry in api.run()["timeline"]] == ["lease", "lease_seen"]
    assert len(api.ok("GET", "/runs")["runs"]) == 1


def test_a_lease_of_the_host_belongs_to_the_run_that_its_bmc_started(api: Api) -> None:
    api.lease()
    assert api.lease(f"02-00-00-00-01-01-{EPOCH}").json["decision"] == "running"


@pytest.mark.parametrize(
    ("mac", "why"),
    [
        ("02-00-00-00-00-03", "in service"),
        ("02-00-00-00-00-04", "in maintenance: disk replacement"),
        ("02-00-00-00-00-99", "not in the inventory"),
    ],
)
def test_a_machine_that_is_not_approved_is_only_written_down(api: Api, mac: str, why: str) -> None:
    answer = api.lease(f"{mac}-{EPOCH}")
    assert (answer.status_code, answer.json["decision"], answer.json["state"]) == (201, "audit_only", "audited")
    assert why in answer.json["reason"]
    assert api.jobs() == {"leases": 0, "boots": 0, "finishes": 0, "deadlines": 0}


def test_an_unknown_machine_becomes_a_discovered_device(api: Api) -> None:
    api.lease(f"02-00-00-00-00-99-{EPOCH}")
    device = api.ok("GET", "/devices/02-00-00-00-00-99")
    assert (device["state"], device["in_inventory"], device["ip"]) == ("discovered", False, "10.0.0.1")


def test_a_machine_that_comes_into_the_inventory_goes_by_its_name_from_then_on(api: Api) -> None:
    api.lease(f"02-00-00-00-00-99-{EPOCH}")
    with api.inventory.open("a") as file:
        file.write('[[device]]\nname = "new"\nbmc_mac = "02:00:00:00:00:99"\nbmc = "simulated://127.0.0.1:9/new"\n')
    later = api.lease(f"02-00-00-00-00-99-{EPOCH + 60}", starts="2026-11-23T09:42:36Z")
    assert later.json["decision"] == "start"
    assert "02-00-00-00-00-99" not in [device["name"] for device in api.ok("GET", "/devices")["devices"]]


def test_an_inventory_that_has_become_wrong_stops_decisions_instead_of_guessing(api: Api) -> None:
    good = api.inventory.read_text()
    api.inventory.write_text(good.replace("maintenance", "maintenence"))
    refused = api.lease()
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert "inventory" in refused.json["detail"]
    api.inventory.write_text(good)
    assert api.lease().status_code == 201


@pytest.mark.parametrize(
    "changes", [{"action": "renewed"}, {"action": "released"}, {"starts": "2026-11-23T09:41:37Z"}, {"vendor": "x"}]
)
def test_a_lease_that_does_not_fit_its_run_is_refused(api: Api, changes: dict[str, str]) -> None:
    assert api.lease(**changes).status_code == 422
    assert api.call("GET", f"/runs/{RUN_A}").status_code == 404


@pytest.mark.parametrize("run_id", ["x", "..", "02-00-00-00-00-01", f"{RUN_A}-", "02-00-00-00-00-01-99999999999999"])
def test_a_run_id_of_another_form_is_refused(api: Api, run_id: str) -> None:
    assert api.call("PUT", f"/runs/{run_id}", LEASE).status_code in {404, 422}


def test_no_more_machines_boot_at_once_than_the_settings_allow(
    settings: Settings, make_api: Callable[[Settings], Api]
) -> None:
    api = make_api(settings.model_copy(update={"max_concurrent_boots": 1}))
    api.lease(RUN_A)
    api.lease(RUN_B)
    assert api.tell(RUN_A, "boot_started").status_code == 202
    busy = api.tell(RUN_B, "boot_started")
    assert (busy.status_code, busy.headers["Retry-After"]) == (429, "5")
    assert api.tell(RUN_A, "boot_started").status_code == 202, "the one that has its slot may go on"
    api.ok("POST", f"/runs/{RUN_A}/abort", {})
    assert api.tell(RUN_B, "boot_started").status_code == 202
