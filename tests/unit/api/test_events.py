"""What events do to a run: in turn, out of turn, and in any order at all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.runs import admission, events, machine_events
from api.runs.records import Change, DeviceRecord, Job, KnownDevice, NewSecrets
from api.runs.states import MOVES, RunContext, with_required_jobs
from api.runs.timeouts import deadline_of
from bringup.errors import InvalidTransition, NotYet, PowerRefused
from bringup.inventory import Device
from bringup.model import DeviceState, FailureReason, JobKind, LeaseEvent, RunState
from bringup.settings import Settings
from bringup.wire.machine import Heartbeat
from bringup.wire.run_events import EventType, RunEvent
from bringup_cli.simulate.hardware_report import Fault, report_of

SETTINGS = Settings()
NO_IMAGE = NewSecrets("", None)
T0 = datetime(2026, 11, 23, 10, tzinfo=UTC)
ENTRY = Device.model_validate(
    {
        "name": "a",
        "bmc_mac": "02:00:00:00:00:01",
        "nic_macs": ["02:00:00:00:00:02"],
        "bmc": "simulated://127.0.0.1:1/a",
        "expected": {"memory_gib": 64},
    }
)
LEASE = LeaseEvent.model_validate(
    {"mac": "02:00:00:00:00:01", "ip": "10.0.0.1", "action": "assigned", "starts": T0, "source": "test"}
)
APPROVED = KnownDevice(DeviceRecord(name="a", state=DeviceState.APPROVED), ENTRY)


def opened() -> Change:
    change = admission.opened_by(LEASE, APPROVED, T0)
    assert change is not None
    return change


def after(change: Change, *, seconds: float = 1, refused: int = 0) -> RunContext:
    """What the next event after a change meets."""
    return RunContext(change.run, change.device, change.run.updated_at + timedelta(seconds=seconds), SETTINGS, refused)


def tell(change: Change, *types: EventType, **fields: object) -> Change:
    """The change after some events of the worker."""
    for kind in types:
        change = events.worker_event(after(change), RunEvent.model_validate({"type": kind, "owner": "w", **fields}))
    return change


def booting() -> Change:
    return tell(opened(), EventType.BOOT_STARTED)


def waiting() -> Change:
    return tell(
        booting(), EventType.MEDIA_INSERTED, EventType.POWER_REQUESTED, EventType.POWERED_OFF, EventType.POWERED_ON
    )


def beat(change: Change, boot_id: str = "b1") -> Change:
    return machine_events.heartbeat(after(change), Heartbeat(boot_id=boot_id, uptime_s=5))


def reported(change: Change, fault: Fault = Fault.NONE) -> Change:
    return machine_events.report(after(change), report_of(ENTRY, fault, "b1"))


def expire(change: Change, *, refused: int = 0) -> Change:
    late = after(change, seconds=10 * 24 * 3600, refused=refused)
    return events.worker_event(late, RunEvent(type=EventType.DEADLINE))


def test_a_retry_has_its_time_until_the_job_runs_again() -> None:
    change = tell(booting(), EventType.RETRY_SCHEDULED, detail="503", retry_in_s=30)
    assert change.entry is not None
    assert change.run.retry_at == change.entry.next_at == change.run.updated_at + timedelta(seconds=30)
    assert tell(change, EventType.BOOT_STARTED).run.retry_at is None
    assert events.abort(after(change), "enough").run.retry_at is None


def test_a_clean_up_announces_a_retry_whichever_worker_does_it_until_the_run_is_closed() -> None:
    ended = events.abort(after(booting()), "enough")
    change = tell(ended, EventType.RETRY_SCHEDULED, owner="of the clean-up", retry_in_s=30)
    assert change.run.retry_at == change.run.updated_at + timedelta(seconds=30)
    assert tell(change, EventType.FINISHED).run.retry_at is None


def test_a_worker_that_was_replaced_announces_no_retry() -> None:
    with pytest.raises(InvalidTransition, match="taken over"):
        tell(booting(), EventType.RETRY_SCHEDULED, owner="another", retry_in_s=30)


@pytest.mark.parametrize("retry_in_s", [-1, 10**6, float("inf"), float("nan")])
def test_a_retry_has_a_time_that_can_be(retry_in_s: float) -> None:
    with pytest.raises(ValidationError):
        RunEvent(type=EventType.RETRY_SCHEDULED, retry_in_s=retry_in_s)


def test_a_lease_of_an_approved_machine_opens_a_run_and_owes_a_boot() -> None:
    change = opened()
    assert change.run.run_id == LEASE.run_id
    assert (change.run.state, change.jobs) == (RunState.QUEUED, (Job(JobKind.BOOT),))
    assert (change.device.state, change.device.record.active_run) == (DeviceState.VALIDATING, LEASE.run_id)


def test_an_audited_lease_owes_nothing_and_is_closed_at_once() -> None:
    change = admission.opened_by(LEASE, APPROVED.with_record(state=DeviceState.ACTIVE), T0)
    assert change is not None
    assert (change.run.state, change.jobs, change.run.closed_at) == (RunState.AUDITED, (), T0)
    assert change.device.record.active_run is None


def test_the_way_of_a_sound_machine_ends_in_passed_and_frees_it_after_the_clean_up() -> None:
    done = reported(beat(waiting()))
    assert (done.run.state, done.jobs) == (RunState.PASSED, (Job(JobKind.FINISH),))
    assert (done.device.state, done.device.record.active_run) == (DeviceState.VALIDATED, LEASE.run_id)
    closed = tell(done, EventType.MEDIA_EJECTED, EventType.FINISHED)
    assert closed.device.record.active_run is None
    assert with_required_jobs(closed.run).required_jobs == ()


def test_a_machine_that_differs_fails_with_the_difference() -> None:
    done = reported(waiting(), Fault.WRONG_MEMORY)
    assert (done.run.state, done.run.reason) == (RunState.FAILED, FailureReason.CHECK_FAILED)
    assert "expected 64 GiB" in done.run.detail
    assert done.device.state is DeviceState.FAILED


def test_a_machine_may_call_before_the_worker_has_told_that_it_is_on() -> None:
    early = beat(tell(booting(), EventType.POWER_REQUESTED, EventType.POWERED_OFF))
    told = tell(early, EventType.POWERED_ON)
    assert (early.run.state, told.run.state) == (RunState.RUNNING, RunState.RUNNING)


def test_only_the_latest_owner_may_go_on_with_a_boot() -> None:
    taken_over = events.worker_event(after(booting()), RunEvent(type=EventType.BOOT_STARTED, owner="second"))
    with pytest.raises(InvalidTransition, match="taken over"):
        tell(taken_over, EventType.POWER_REQUESTED)
    with pytest.raises(InvalidTransition, match="taken over"):
        events.media_minted(after(taken_over), "w", NO_IMAGE)


def test_a_token_is_not_minted_once_the_machine_may_be_booting() -> None:
    with pytest.raises(InvalidTransition):
        events.media_minted(after(tell(booting(), EventType.POWER_ON_REQUESTED)), "w", NO_IMAGE)


def test_leave_to_switch_is_refused_for_a_machine_put_in_service_meanwhile() -> None:
    change = booting()
    in_service = Change(change.run, change.device.with_record(state=DeviceState.ACTIVE), change.entry)
    with pytest.raises(PowerRefused, match="in service"):
        tell(in_service, EventType.POWER_REQUESTED)


def test_leave_to_switch_off_is_refused_for_a_machine_put_in_service_after_its_run() -> None:
    done = reported(waiting())
    in_service = Change(done.run, done.device.with_record(state=DeviceState.ACTIVE), done.entry)
    with pytest.raises(PowerRefused, match="in service"):
        tell(in_service, EventType.POWER_OFF_REQUESTED)


def test_a_verdict_does_not_take_a_machine_out_of_service() -> None:
    change = waiting()
    in_service = Change(change.run, change.device.with_record(state=DeviceState.ACTIVE), change.entry)
    assert reported(in_service).device.state is DeviceState.ACTIVE


@pytest.mark.parametrize("trigger", ["boot_started", "heartbeat", "passed", "deadline", "abort", "boot_failed"])
@pytest.mark.parametrize("state", [s for s in RunState if s.ended])
def test_no_event_reopens_a_run_that_has_ended(trigger: str, state: RunState) -> None:
    assert state not in MOVES[trigger]


def test_a_deadline_that_has_not_come_says_when_it_will() -> None:
    with pytest.raises(NotYet) as caught:
        tell(waiting(), EventType.DEADLINE)
    assert caught.value.retry_in_s == pytest.approx(SETTINGS.boot_timeout_s - 1)


@pytest.mark.parametrize(
    ("change", "refused", "reason"),
    [
        (booting(), 0, FailureReason.WORKER_LOST),
        (waiting(), 0, FailureReason.NO_BOOT),
        (waiting(), 2, FailureReason.CALLBACK_REFUSED),
        (beat(waiting()), 0, FailureReason.NO_NETWORK),
        (beat(beat(beat(waiting(), "1"), "2"), "3"), 0, FailureReason.NO_BOOT),
    ],
)
def test_a_time_out_says_why(change: Change, refused: int, reason: FailureReason) -> None:
    done = expire(change, refused=refused)
    assert (done.run.state, done.run.reason) == (RunState.TIMED_OUT, reason)
    assert done.run.detail
    assert done.jobs == (Job(JobKind.FINISH),)


def test_the_deadline_follows_the_machine() -> None:
    start = booting().run.boot_started_at
    on, heard = waiting().run, beat(waiting()).run
    assert start is not None
    assert on.powered_on_at is not None
    assert heard.last_heartbeat_at is not None
    assert booting().run.deadline_at == start + timedelta(seconds=SETTINGS.run_timeout_s)
    assert on.deadline_at == on.powered_on_at + timedelta(seconds=SETTINGS.boot_timeout_s)
    assert heard.deadline_at == heard.last_heartbeat_at + timedelta(seconds=SETTINGS.heartbeat_lost_s)


def test_a_slow_machine_has_a_boot_time_of_its_own() -> None:
    slow = waiting().run.model_copy(update={"boot_timeout_s": SETTINGS.boot_timeout_s + 900})
    assert slow.powered_on_at is not None
    assert deadline_of(slow, SETTINGS) == slow.powered_on_at + timedelta(seconds=SETTINGS.boot_timeout_s + 900)


def test_heartbeats_do_not_carry_a_run_beyond_its_own_time() -> None:
    run = beat(waiting()).run
    assert run.boot_started_at is not None
    endless = run.model_copy(update={"last_heartbeat_at": run.boot_started_at + timedelta(days=1)})
    assert deadline_of(endless, SETTINGS) == run.boot_started_at + timedelta(seconds=SETTINGS.run_timeout_s)


def test_a_change_of_state_moves_the_watchdog() -> None:
    assert [job.kind for job in booting().jobs] == [JobKind.EXPIRE]
    assert waiting().jobs == (Job(JobKind.EXPIRE, waiting().run.deadline_at),)


STEPS = [kind.value for kind in EventType] + ["mint", "beat", "report", "abort"]


@given(st.lists(st.sampled_from(STEPS), max_size=40))
def test_in_whatever_order_events_come_the_run_keeps_its_laws(steps: list[str]) -> None:
    change = opened()
    for step in steps:
        before = change
        try:
            change = one_step(change, step)
        except (InvalidTransition, NotYet):
            continue
        run = change.run
        assert before.run.state == run.state or not before.run.state.ended, "an ended run has changed its verdict"
        assert run.state.ended == (run.ended_at is not None)
        assert run.closed_at is None or run.state.ended
        assert (change.device.record.active_run is None) == (run.closed_at is not None)
        assert run.powered_on_at is None or run.boot_started_at is not None
        assert run.closed_at is not None or with_required_jobs(run).required_jobs, "an open run that nothing will end"
        assert run.state.ended or run.boot_started_at is None or run.deadline_at is not None


def one_step(change: Change, step: str) -> Change:
    context = after(change)
    if step == "mint":
        return events.media_minted(context, "w", NO_IMAGE)
    if step == "beat":
        return machine_events.heartbeat(context, Heartbeat(boot_id="b", uptime_s=1))
    if step == "report":
        return machine_events.report(context, report_of(ENTRY, Fault.NONE, "b"))
    if step == "abort":
        return events.abort(context, "enough")
    late = replace(context, now=context.now + timedelta(days=1)) if step == "deadline" else context
    return events.worker_event(late, RunEvent(type=EventType(step), owner="w"))
