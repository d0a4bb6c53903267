"""What a lease means for the machine that holds it, and when its power may be switched."""

import pytest

from api.runs.admission import cleanup_refusal, decide, power_refusal
from api.runs.records import DeviceRecord, KnownDevice, RunRecord
from bringup.inventory import Device
from bringup.model import Decision, DeviceState, RunState, utc_now

ENTRY = Device.model_validate({"name": "a", "bmc_mac": "02:00:00:00:00:01", "bmc": "simulated://127.0.0.1:1/a"})
APPROVED = KnownDevice(DeviceRecord(name="a", state=DeviceState.APPROVED), ENTRY)


def test_an_approved_machine_is_started() -> None:
    assert decide(APPROVED)[0] is Decision.START


@pytest.mark.parametrize("state", [s for s in DeviceState if s is not DeviceState.APPROVED])
def test_a_machine_in_any_other_state_is_only_audited(state: DeviceState) -> None:
    assert decide(APPROVED.with_record(state=state))[0] is Decision.AUDIT_ONLY


@pytest.mark.parametrize("state", [DeviceState.VALIDATED, DeviceState.FAILED])
def test_a_machine_that_had_its_run_says_which_command_allows_another(state: DeviceState) -> None:
    assert "bringup device set a --state approved" in decide(APPROVED.with_record(state=state))[1]


def test_an_approved_machine_in_maintenance_is_only_audited() -> None:
    decision, reason = decide(APPROVED.with_record(maintenance="fan"))
    assert (decision, reason) == (Decision.AUDIT_ONLY, "the machine is in maintenance: fan")


def test_a_machine_that_is_only_withheld_is_not_called_in_maintenance() -> None:
    withheld = KnownDevice(APPROVED.record, ENTRY, "Redis has lost 3 changes")
    assert decide(withheld) == (Decision.AUDIT_ONLY, "the machine is withheld: Redis has lost 3 changes")
    both = KnownDevice(APPROVED.with_record(maintenance="fan").record, ENTRY, "Redis has lost 3 changes")
    assert decide(both)[1] == "the machine is in maintenance: fan"


@pytest.mark.parametrize("changes", [{"state": DeviceState.ACTIVE}, {"maintenance": "fan"}])
def test_what_the_inventory_protects_the_record_cannot_expose(changes: dict[str, object]) -> None:
    protected = KnownDevice(APPROVED.record, ENTRY.model_copy(update=changes))
    assert decide(protected)[0] is Decision.AUDIT_ONLY


def test_a_machine_that_left_the_inventory_is_only_audited_whatever_its_record_says() -> None:
    assert decide(KnownDevice(APPROVED.record, None))[0] is Decision.AUDIT_ONLY


def test_a_machine_is_only_audited_while_nothing_proves_who_answers_at_its_bmc() -> None:
    unproven = ENTRY.model_copy(update={"bmc_verify": False})
    decision, reason = decide(KnownDevice(APPROVED.record, unproven))
    assert decision is Decision.AUDIT_ONLY
    assert "bmc_verify = false" in reason
    assert decide(KnownDevice(APPROVED.record, unproven.model_copy(update={"serial": "A1"})))[0] is Decision.START


def test_a_machine_with_a_run_that_is_not_closed_runs_already() -> None:
    assert decide(APPROVED.with_record(active_run="r"))[0] is Decision.RUNNING


RUN = RunRecord(
    run_id="02-00-00-00-00-01-1",
    device="a",
    mac="02:00:00:00:00:01",
    ip="",
    decision=Decision.START,
    state=RunState.BOOTING,
    bmc=ENTRY.bmc,
    created_at=utc_now(),
    updated_at=utc_now(),
)
VALIDATING = APPROVED.with_record(state=DeviceState.VALIDATING, active_run=RUN.run_id)


def test_power_is_granted_to_the_run_that_owns_the_machine() -> None:
    assert power_refusal(VALIDATING, RUN) is None


def test_the_run_that_owns_the_machine_may_undo_what_it_did_also_on_one_in_service() -> None:
    assert cleanup_refusal(VALIDATING.with_record(state=DeviceState.ACTIVE, maintenance="fan"), RUN) is None
    assert cleanup_refusal(KnownDevice(VALIDATING.record, None), RUN) is None
    assert cleanup_refusal(VALIDATING.with_record(active_run="other"), RUN)


@pytest.mark.parametrize(
    "device",
    [
        VALIDATING.with_record(active_run="other"),
        VALIDATING.with_record(active_run=None),
        VALIDATING.with_record(state=DeviceState.ACTIVE),
        VALIDATING.with_record(state=DeviceState.UNKNOWN),
        VALIDATING.with_record(maintenance="fan"),
        KnownDevice(VALIDATING.record, None),
        VALIDATING.with_record(unapproved=True),
        KnownDevice(VALIDATING.record, ENTRY, "Redis has forgotten"),
        KnownDevice(VALIDATING.record, ENTRY.model_copy(update={"bmc": "https://10.0.0.99"})),
        KnownDevice(VALIDATING.record, ENTRY.model_copy(update={"state": DeviceState.ACTIVE})),
    ],
)
def test_power_is_refused_for_every_other_standing(device: KnownDevice) -> None:
    assert power_refusal(device, RUN)
