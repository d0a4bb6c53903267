"""What an action would lead to is what the same rules decide when it is done."""

from collections.abc import Callable

import pytest

from api.runs import previews
from api.runs.admission import repeat_refusal
from api.runs.device_changes import changed, refusal
from api.runs.records import DeviceRecord, KnownDevice, RunRecord
from bringup.inventory import Device
from bringup.model import Decision, DeviceState, RunState, utc_now
from bringup.settings import Settings
from bringup.wire.actions import OperatorAction, device_change
from bringup.wire.operator import DeviceChange

ENTRY = Device.model_validate(
    {"name": "a", "bmc_mac": "02:00:00:00:00:01", "bmc": "https://10.0.0.1", "credential": "rack1"}
)
FAILED = KnownDevice(DeviceRecord(name="a", state=DeviceState.FAILED), ENTRY)
APPROVED = FAILED.with_record(state=DeviceState.APPROVED)
RUN = RunRecord(
    run_id="02-00-00-00-00-01-1",
    device="a",
    mac="02:00:00:00:00:01",
    ip="",
    decision=Decision.START,
    state=RunState.FAILED,
    created_at=utc_now(),
    updated_at=utc_now(),
)


@pytest.fixture
def ready(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(validation_image="/srv/validation.iso", image_base_url="https://images.example.net:5001")


def change(action: OperatorAction, reason: str = "") -> DeviceChange:
    found = device_change(action, reason)
    assert found
    return found


def test_an_approved_machine_would_start(ready: Settings) -> None:
    found = previews.of_start(APPROVED, ready)
    assert (found.would, found.reason, found.warnings, found.becomes) == (True, "", (), "validating")


def test_a_start_that_would_fail_before_the_switch_has_a_warning(ready: Settings) -> None:
    unready = KnownDevice(APPROVED.record, ENTRY.model_copy(update={"credential": None}))
    found = previews.of_start(unready, ready)
    assert found.would
    assert found.warnings[0].startswith("bmc_auth")


@pytest.mark.parametrize(
    "changes",
    [{"state": DeviceState.FAILED}, {"maintenance": "fan"}, {"active_run": "r"}, {"state": DeviceState.ACTIVE}],
)
def test_a_machine_that_must_not_be_started_would_not(ready: Settings, changes: dict[str, object]) -> None:
    found = previews.of_start(APPROVED.with_record(**changes), ready)
    assert not found.would
    assert found.reason


def test_a_machine_outside_of_the_inventory_would_not_start(ready: Settings) -> None:
    assert "not in the inventory" in previews.of_start(KnownDevice(APPROVED.record, None), ready).reason


def test_a_machine_that_has_failed_would_be_approved() -> None:
    found = previews.of_device(FAILED, change(OperatorAction.APPROVE))
    assert (found.would, found.state, found.becomes) == (True, "failed", "approved")


def test_many_approvals_never_take_a_machine_out_of_service() -> None:
    found = previews.of_device(FAILED.with_record(state=DeviceState.ACTIVE), change(OperatorAction.APPROVE))
    assert not found.would
    assert "bringup device set a --state approved" in found.reason


def test_a_change_that_changes_nothing_would_not_be_made() -> None:
    assert (
        previews.of_device(APPROVED, change(OperatorAction.APPROVE)).reason
        == "nothing would change: the machine is approved"
    )


def test_maintenance_of_a_machine_with_a_run_has_a_warning() -> None:
    found = previews.of_device(APPROVED.with_record(active_run="r"), change(OperatorAction.MAINTENANCE, "fan"))
    assert (found.would, found.becomes) == (True, "approved (maintenance: fan)")
    assert "run r goes on" in found.warnings[0]


def test_maintenance_by_the_inventory_is_not_ended_by_a_command() -> None:
    resting = KnownDevice(
        FAILED.record.model_copy(update={"maintenance": "fan"}), ENTRY.model_copy(update={"maintenance": "disk"})
    )
    found = previews.of_device(resting, change(OperatorAction.END_MAINTENANCE))
    assert not found.would
    assert "disk" in found.reason


def test_a_change_is_refused_when_the_machine_is_in_another_state_by_now() -> None:
    wanted = DeviceChange(state=DeviceState.APPROVED, expected_state=DeviceState.FAILED)
    assert refusal(FAILED, wanted) is None
    assert "by now" in str(refusal(FAILED.with_record(state=DeviceState.ACTIVE), wanted))


IN_SERVICE = KnownDevice(FAILED.record, ENTRY.model_copy(update={"state": DeviceState.ACTIVE}))


@pytest.mark.parametrize(
    ("device", "why"),
    [
        (FAILED.with_record(active_run="r"), "run r has not ended"),
        (KnownDevice(FAILED.record, None), "not in the inventory"),
        (IN_SERVICE, "active in the inventory"),
    ],
)
def test_what_must_not_be_approved_may_be_protected(device: KnownDevice, why: str) -> None:
    assert why in str(refusal(device, DeviceChange(state=DeviceState.APPROVED)))
    for protecting in (DeviceChange(state=DeviceState.DISCOVERED), DeviceChange(maintenance="fan")):
        assert refusal(device, protecting) is None


@pytest.mark.parametrize("state", RunState)
def test_a_run_would_be_aborted_until_it_has_ended(state: RunState) -> None:
    found = previews.of_abort(RUN.model_copy(update={"state": state}), utc_now())
    assert found.would is (not state.ended)
    assert bool(found.reason) is state.ended


@pytest.mark.parametrize("state", RunState)
def test_only_a_run_that_has_ended_and_did_not_pass_is_repeated(state: RunState) -> None:
    refused = repeat_refusal(RUN.model_copy(update={"state": state}), FAILED)
    expected = {RunState.FAILED, RunState.TIMED_OUT, RunState.ABORTED, RunState.DEGRADED}
    assert (refused is None) is (state in expected)


@pytest.mark.parametrize("state", DeviceState)
def test_a_repeat_exposes_no_machine_that_was_validated_or_protected_since(state: DeviceState) -> None:
    device = changed(FAILED, DeviceChange()).with_record(state=state)
    assert (repeat_refusal(RUN, device) is None) is (state in {DeviceState.FAILED, DeviceState.APPROVED})


@pytest.mark.parametrize("changes", [{"maintenance": "fan"}, {"active_run": "r"}])
def test_a_repeat_is_refused_for_what_refuses_a_start(ready: Settings, changes: dict[str, object]) -> None:
    found = previews.of_repeat(RUN, FAILED.with_record(**changes), ready)
    assert not found.would
    assert found.reason


def test_a_run_that_failed_would_be_repeated(ready: Settings) -> None:
    found = previews.of_repeat(RUN, FAILED, ready)
    assert (found.would, found.state, found.becomes, found.warnings) == (True, "failed", "queued", ())
