"""Whether a machine would be powered now: the same answer as the decision, and everything in its way."""

from collections.abc import Callable
from itertools import product

import pytest

from api.runs.admission import decide, explain
from api.runs.records import DeviceRecord, KnownDevice
from bringup.inventory import Device
from bringup.model import Decision, DeviceState
from bringup.settings import Settings

ENTRY = Device.model_validate(
    {"name": "a", "bmc_mac": "02:00:00:00:00:01", "bmc": "https://10.0.0.1", "credential": "rack1"}
)
APPROVED = KnownDevice(DeviceRecord(name="a", state=DeviceState.APPROVED), ENTRY)


@pytest.fixture
def ready(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(validation_image="/srv/validation.iso", image_base_url="https://images.example.net:5001")


def test_an_approved_machine_would_be_powered(ready: Settings) -> None:
    found = explain(APPROVED, ready)
    assert (found.would_start, found.would_power, found.obstacles) == (True, True, ())
    assert "insert the image that is served for this run under https://images.example.net:5001" in found.steps


def test_it_says_what_the_decision_is_in_every_case(ready: Settings) -> None:
    for state, maintenance, run, entry in product(DeviceState, (None, "fan"), (None, "r"), (ENTRY, None)):
        record = DeviceRecord(name="a", state=state, maintenance=maintenance, active_run=run)
        device = KnownDevice(record, entry)
        decision, reason = decide(device)
        found = explain(device, ready)
        assert found.would_start is (decision is Decision.START)
        assert found.would_power is found.would_start
        assert found.obstacles[:1] == (() if found.would_start else (reason,))


def test_everything_in_the_way_is_named(ready: Settings) -> None:
    found = explain(APPROVED.with_record(maintenance="fan", active_run="r", state=DeviceState.ACTIVE), ready)
    assert [word in " ".join(found.obstacles) for word in ("run r", "fan", "in service")] == [True] * 3


@pytest.mark.parametrize(
    ("changes", "obstacle"),
    [({"credential": None}, "bmc_auth"), ({"bmc": "simulated://127.0.0.1:1/a"}, "")],
    ids=["no credential", "simulated"],
)
def test_a_run_that_would_fail_before_the_switch_is_told(
    ready: Settings, changes: dict[str, object], obstacle: str
) -> None:
    found = explain(KnownDevice(APPROVED.record, ENTRY.model_copy(update=changes)), ready)
    assert found.would_start
    assert found.would_power is not bool(obstacle)
    assert all(line.startswith(obstacle) for line in found.obstacles)


def test_a_real_machine_without_an_image_would_not_be_powered(make_settings: Callable[..., Settings]) -> None:
    found = explain(APPROVED, make_settings())
    assert (found.would_start, found.would_power) == (True, False)
    assert "set VALIDATION_IMAGE" in found.obstacles[0]
    by_network = KnownDevice(APPROVED.record, ENTRY.model_copy(update={"boot_method": "pxe"}))
    assert explain(by_network, make_settings()).would_power


def test_where_only_the_bmc_is_given_the_parameters_http_boot_cannot_report(
    ready: Settings, make_settings: Callable[..., Settings]
) -> None:
    device = KnownDevice(APPROVED.record, ENTRY.model_copy(update={"boot_method": "uefi-http"}))
    found = explain(device, ready)
    assert found.would_power, "it is switched on all the same"
    assert "IMAGE_READERS" in found.obstacles[0]
    excepted = make_settings(validation_image="/srv/validation.iso", image_readers="10.77.0.0/16")
    assert explain(device, excepted).obstacles == ()
