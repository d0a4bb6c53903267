"""Events of a worker that is not the owner, or of a run that does not own the machine; and what is bounded."""

from dataclasses import replace

import pytest

from api.runs import events, permits
from api.runs.records import Change, NewImage, NewSecrets
from bringup.errors import InvalidTransition, PowerRefused
from bringup.model import DeviceState, FailureReason, RunState
from bringup.wire.run import MachineIdentity
from bringup.wire.run_events import EventType, RunEvent
from tests.unit.api.test_events import ENTRY, after, beat, booting, reported, tell, waiting

SEEN = MachineIdentity(serial="A1")


def identified(change: Change, owner: str = "w", seen: MachineIdentity = SEEN) -> Change:
    event = RunEvent(type=EventType.MACHINE_IDENTIFIED, owner=owner, identity=seen)
    return events.worker_event(after(change), event)


def taken_over(change: Change) -> Change:
    return events.worker_event(after(change), RunEvent(type=EventType.BOOT_STARTED, owner="second"))


def owned_by_another_run(change: Change) -> Change:
    return replace(change, device=change.device.with_record(active_run="02-00-00-00-00-01-99"))


def test_only_the_latest_owner_says_which_machine_answers() -> None:
    with pytest.raises(InvalidTransition, match="taken over"):
        identified(taken_over(booting()))


def test_a_worker_that_took_over_reads_itself_which_machine_answers_before_it_gets_a_permit() -> None:
    change = taken_over(identified(booting()))
    with pytest.raises(PowerRefused, match="has not read which machine"):
        tell(change, EventType.WRITE_REQUESTED, owner="second")
    assert tell(identified(change, "second"), EventType.WRITE_REQUESTED, owner="second").permits_power


def test_without_a_certificate_no_permit_is_given_before_the_machine_was_read() -> None:
    change = booting()
    unproven = replace(change, run=change.run.model_copy(update={"bmc_verify": False}))
    with pytest.raises(PowerRefused, match="has not read which machine"):
        tell(unproven, EventType.WRITE_REQUESTED)


def test_a_run_stays_with_the_machine_it_began_with_also_when_the_inventory_names_the_new_one() -> None:
    change = identified(booting())
    entry = ENTRY.model_copy(update={"serial": "B2"})
    edited = replace(change, device=replace(change.device, entry=entry))
    ended = identified(edited, seen=MachineIdentity(serial="B2"))
    assert (ended.run.state, ended.run.reason) == (RunState.FAILED, FailureReason.WRONG_MACHINE)
    assert "the run began with serial A1" in ended.run.detail


def test_no_permit_covers_a_switch_of_the_machine() -> None:
    switches = {EventType.POWER_REQUESTED, EventType.POWER_ON_REQUESTED, EventType.POWER_OFF_REQUESTED}
    assert not switches & {covered for others in permits.COVERS.values() for covered in others}


def test_a_permit_is_given_back_by_its_own_worker_only() -> None:
    change = tell(booting(), EventType.WRITE_REQUESTED)
    with pytest.raises(InvalidTransition, match="another worker"):
        tell(change, EventType.PERMIT_RETURNED, owner="second")
    assert tell(change, EventType.PERMIT_RETURNED).run.permit_ends_at is None


def test_the_end_of_a_run_changes_nothing_of_a_machine_that_another_run_owns() -> None:
    ended = reported(owned_by_another_run(waiting()))
    assert ended.run.state is RunState.PASSED
    assert ended.device.record.state is DeviceState.VALIDATING
    closed = tell(ended, EventType.FINISHED)
    assert closed.device.record.active_run == "02-00-00-00-00-01-99"


def test_a_repeated_heartbeat_is_no_line_of_the_timeline() -> None:
    first = beat(waiting())
    assert first.entry
    assert beat(first).entry is None


def test_the_boots_that_a_run_remembers_are_bounded() -> None:
    change = waiting()
    for number in range(150):
        change = beat(change, f"b{number}")
    assert len(change.run.boot_ids) == 100
    assert change.entry is None


def test_the_media_that_a_machine_is_known_by_are_bounded_and_the_newest_counts() -> None:
    change = booting()
    for number in range(40):
        made = NewSecrets("", NewImage(f"{number:064x}", "", b"", ()))
        change = events.media_minted(after(change), "w", made)
    assert len(change.device.record.media_sha256) == 32
    assert change.device.record.media_sha256[-1] == f"{39:064x}"
