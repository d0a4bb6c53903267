"""What the boot and finish jobs make of a BMC or an API that does not do what is asked."""

import errno
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from bringup.errors import ApiRejected, ApiUnavailable, BmcRejected, BmcUnavailable, NotYet
from bringup.model import FailureReason, RunState
from bringup.wire.run_events import EventType
from tests.unit.workers.fakes import RETRY_S, RUN_ID, FakeApi, Killed, World
from workers.bmc import OwnMedia
from workers.boot import boot
from workers.job_context import Callback
from workers.jobs import finish

_BUSY = BmcUnavailable("busy")


def raising(error: Exception) -> Callable[[], None]:
    """A step that fails with ``error``."""

    def act() -> None:
        raise error

    return act


class _Refusing:
    """The API of a world, which takes no post about a retry."""

    def __init__(self, api: FakeApi, error: Exception) -> None:
        self._api, self._error = api, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    def post_event(self, run_id: str, what: EventType, **fields: Any) -> Any:
        if what is EventType.RETRY_SCHEDULED:
            raise self._error
        return self._api.post_event(run_id, what, **fields)


def boot_it(world: World) -> None:
    boot(world.context, world.task(), run_id=RUN_ID)


def finish_it(world: World) -> None:
    finish(world.context, world.task(), run_id=RUN_ID)


def in_another_process(world: World) -> None:
    """What follows is done by one that has not booted the machine."""
    world.use(world.context.make_bmc)


def number_of(world: World, name: str) -> int:
    """When a world like this one is called by this name first."""
    probe = World(world.settings)
    boot_it(probe)
    probe.api.abort()
    finish_it(probe)
    return probe.calls.names.index(name)


def fail_at(world: World, name: str, error: Exception) -> None:
    """The next call of this name fails."""
    world.calls.step_in(number_of(world, name), "before", raising(error))


def kill_at(world: World, name: str) -> None:
    """The job is killed before the next call of this name."""
    world.calls.kill(number_of(world, name), "before")


def test_a_run_without_a_boot_slot_ends_its_job_and_touches_nothing(world: World) -> None:
    fail_at(world, "post_event boot_started", ApiRejected("429", kind="no_boot_slot"))
    boot_it(world)
    assert world.calls.names == ["post_event boot_started"]
    assert world.api.state.state is RunState.QUEUED


def test_a_bmc_that_stays_away_fails_the_run_after_its_tries(world: World) -> None:
    for _ in range(2):
        fail_at(world, "power_state", _BUSY)
        with pytest.raises(BmcUnavailable):
            boot_it(world)
        assert world.api.state.state is RunState.BOOTING
    fail_at(world, "power_state", _BUSY)
    boot_it(world)
    assert (world.api.state.state, world.api.state.reason) == (RunState.FAILED, FailureReason.BMC_UNREACHABLE)


@pytest.mark.parametrize(("asked_s", "wait_s"), [(None, RETRY_S), (60.0, 60.0)])
def test_a_retry_is_on_record_with_why_and_when(world: World, asked_s: float | None, wait_s: float) -> None:
    fail_at(world, "power_state", BmcUnavailable("it answers 503", retry_in_s=asked_s))
    with pytest.raises(BmcUnavailable):
        boot_it(world)
    entry = world.api.timeline[-1]
    assert (entry.type, entry.detail) == ("retry_scheduled", "it answers 503")
    assert entry.next_at == world.api.state.retry_at == entry.at + timedelta(seconds=wait_s)
    boot_it(world)
    assert world.api.state.retry_at is None


def test_a_retry_of_the_clean_up_is_on_record_until_it_is_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    boot_it(world)
    world.api.abort()
    with monkeypatch.context() as patch:
        patch.setattr(world.bmc, "eject_media", lambda *_: raising(_BUSY)())
        with pytest.raises(BmcUnavailable):
            finish_it(world)
    assert world.api.timeline[-1].type == "retry_scheduled"
    assert world.api.state.retry_at is not None
    finish_it(world)
    assert world.api.state.retry_at is None


@pytest.mark.parametrize("error", [ApiUnavailable("away"), ApiRejected("of a version before", kind="invalid")])
def test_a_retry_that_cannot_be_posted_is_made_all_the_same(world: World, error: Exception) -> None:
    world.context = replace(world.context, callback=cast("Callback", _Refusing(world.api, error)))
    fail_at(world, "power_state", _BUSY)
    with pytest.raises(BmcUnavailable, match="busy"):
        boot_it(world)
    assert world.api.state.retry_at is None


def test_the_last_try_announces_no_other(world: World) -> None:
    for _ in range(3):
        fail_at(world, "power_state", _BUSY)
        with suppress(BmcUnavailable):
            boot_it(world)
    assert world.api.state.state is RunState.FAILED
    assert [entry.type for entry in world.api.timeline].count("retry_scheduled") == 2
    assert world.api.state.retry_at is None


def test_only_errors_of_the_bmc_count_as_tries(world: World) -> None:
    for _ in range(10):
        fail_at(world, "post_event boot_started", ApiUnavailable("away"))
        with pytest.raises(ApiUnavailable):
            boot_it(world)
    assert world.meta == {}
    fail_at(world, "power_state", _BUSY)
    with pytest.raises(BmcUnavailable):
        boot_it(world)
    assert world.meta == {"bmc_tries": 1}


def test_a_bmc_that_stays_busy_fails_the_run_with_the_reason_of_its_last_error(world: World) -> None:
    stuck = BmcUnavailable("stuck", reason=FailureReason.MEDIA_REJECTED)
    for _ in range(2):
        fail_at(world, "insert_media", stuck)
        with pytest.raises(BmcUnavailable):
            boot_it(world)
    fail_at(world, "insert_media", stuck)
    boot_it(world)
    assert (world.api.state.state, world.api.state.reason) == (RunState.FAILED, FailureReason.MEDIA_REJECTED)


@pytest.mark.parametrize("error", [_BUSY, BmcRejected("no", reason=FailureReason.BMC_AUTH), KeyError("a bug")])
def test_the_session_of_the_bmc_is_ended_whatever_happens(world: World, error: Exception) -> None:
    fail_at(world, "set_boot_once", error)
    with suppress(BmcUnavailable, KeyError):
        boot_it(world)
    assert world.bmc.closed == 1


def test_the_clean_up_takes_an_unused_override_back_and_ends_its_session(world: World) -> None:
    boot_it(world)
    world.bmc.override = "cd"
    world.api.abort()
    finish_it(world)
    assert world.bmc.override is None
    assert world.bmc.closed == 2


def test_a_bmc_that_refuses_fails_the_run_at_once_with_its_reason(world: World) -> None:
    fail_at(world, "insert_media", BmcRejected("no", reason=FailureReason.MEDIA_REJECTED))
    boot_it(world)
    assert (world.api.state.state, world.api.state.reason) == (RunState.FAILED, FailureReason.MEDIA_REJECTED)


@pytest.mark.parametrize("call", ["power_state", "post_event override_requested", "power_on", "post_event powered_on"])
def test_a_bug_in_boot_ends_the_run_as_worker_lost_at_once(world: World, call: str) -> None:
    fail_at(world, call, KeyError("a bug"))
    with pytest.raises(KeyError):
        boot_it(world)
    assert (world.api.state.state, world.api.state.reason) == (RunState.FAILED, FailureReason.WORKER_LOST)
    assert "a bug" in world.api.state.detail


@pytest.mark.parametrize("shortage", [OSError(errno.EMFILE, "Too many open files"), MemoryError()])
def test_a_worker_that_is_short_of_something_does_not_end_the_run(world: World, shortage: Exception) -> None:
    fail_at(world, "power_state", shortage)
    with pytest.raises(type(shortage)):
        boot_it(world)
    assert not world.api.state.state.ended
    boot_it(world)
    assert world.api.state.state is RunState.WAITING


def test_a_refusal_that_is_not_about_the_run_does_not_end_it(world: World) -> None:
    fail_at(world, "post_event boot_started", ApiRejected("who are you", kind="unauthorized"))
    with pytest.raises(ApiRejected):
        boot_it(world)
    assert world.api.state.state is RunState.QUEUED


def test_boot_of_an_unknown_or_ended_run_does_nothing(world: World) -> None:
    boot(world.context, world.task(), run_id="02-00-00-00-00-01-1")
    world.api.abort()
    boot_it(world)
    assert not [name for name in world.calls.names if not name.startswith("post_event")]


def test_finish_of_an_unknown_run_does_nothing(world: World) -> None:
    finish(world.context, world.task(), run_id="02-00-00-00-00-01-1")
    assert world.calls.names == ["run"]


def test_finish_of_a_run_that_has_not_ended_or_is_closed_does_nothing(world: World) -> None:
    boot_it(world)
    in_another_process(world)
    before = list(world.calls.names)
    finish_it(world)
    assert world.calls.names == [*before, "run"]
    world.api.abort()
    finish_it(world)
    before = list(world.calls.names)
    finish_it(world)
    assert world.calls.names == [*before, "run"]


def test_finish_of_a_run_that_was_booted_here_writes_nothing_until_it_has_ended(world: World) -> None:
    boot_it(world)
    finish_it(world)
    assert (world.bmc.on, world.bmc.media is None) == (True, False)
    assert not world.api.state.closed_at
    world.api.abort()
    finish_it(world)
    assert (world.bmc.on, world.bmc.media is None) == (False, True)
    assert world.api.state.closed_at


def test_finish_asks_for_the_run_only_where_another_process_has_booted_it(world: World) -> None:
    boot_it(world)
    world.api.abort()
    finish_it(world)
    assert "run" not in world.calls.names
    other = World(world.settings)
    boot_it(other)
    other.api.abort()
    in_another_process(other)
    finish_it(other)
    assert other.calls.names.count("run") == 1
    assert other.calls.names[-6:] == world.calls.names[-6:]
    assert (other.bmc.on, other.bmc.media) == (False, None)


@pytest.mark.parametrize("process", ["this", "another"])
def test_the_log_says_why_a_closed_run_ended(world: World, process: str) -> None:
    boot_it(world)
    world.api.abort()
    if process == "another":
        in_another_process(world)
    with capture_logs() as lines:
        finish_it(world)
    closed = {"event": "run closed", "log_level": "info", "state": "aborted", "reason": "aborted"}
    assert [line for line in lines if line["event"] == "run closed"] == [closed | {"detail": "medium ejected"}]


def test_what_is_remembered_of_a_run_names_its_medium(world: World) -> None:
    world.api.image_url = "http://api/api/v1/images/{secret}/bringup-validation.iso"
    boot_it(world)
    run = world.context.booted.take(RUN_ID)
    assert run
    assert OwnMedia.of(run).owns(world.api.image_url.format(secret=world.api.secret))
    assert not OwnMedia.of(run).owns(world.api.image_url.format(secret="z" * 43))


def test_finish_takes_out_what_a_permit_allowed_whatever_the_timeline_has_forgotten(world: World) -> None:
    kill_at(world, "set_boot_once")
    with pytest.raises(Killed):
        boot_it(world)
    assert world.api.state.write_permitted_at
    assert world.api.state.power_requested_at is None
    world.api.timeline.clear()
    world.api.abort()
    world.clock.sleep(600)
    finish_it(world)
    assert world.bmc.media is None


def test_finish_switches_off_what_was_switched_on_without_a_word(world: World) -> None:
    kill_at(world, "post_event powered_on")
    with pytest.raises(Killed):
        boot_it(world)
    assert world.bmc.on
    assert world.api.state.powered_on_at is None
    world.api.abort()
    world.clock.sleep(600)
    finish_it(world)
    assert not world.bmc.on


def test_finish_waits_while_the_boot_job_is_in_hand(world: World) -> None:
    boot_it(world)
    world.api.abort()
    world.boot_in_flight = True
    with pytest.raises(NotYet) as early:
        finish_it(world)
    assert early.value.retry_in_s
    assert world.bmc.on
    assert not world.api.state.closed_at


def test_finish_of_a_run_that_never_touched_its_bmc_leaves_the_bmc_alone(world: World) -> None:
    world.api.post_event(RUN_ID, EventType.BOOT_STARTED, fencing_token="me")
    world.api.abort()
    finish_it(world)
    assert world.api.state.closed_at
    assert "eject_media" not in world.calls.names
    assert world.api.timeline[-1].detail == "the machine was not touched: nothing to clean up"


def test_finish_takes_out_a_medium_that_was_never_posted(world: World) -> None:
    kill_at(world, "post_event power_on_requested")  # with which it is posted that the medium was inserted
    with pytest.raises(Killed):
        boot_it(world)
    asked = ["insert_media", "power_state", "set_boot_once", "power_state", "post_event power_on_requested"]
    assert world.calls.names[-5:] == asked
    assert world.bmc.media
    assert world.api.state.media_at is None
    world.api.abort()
    world.clock.sleep(600)
    finish_it(world)
    assert world.bmc.media is None


def test_finish_gives_the_device_back_when_the_bmc_stays_away(world: World) -> None:
    boot_it(world)
    world.api.abort()
    for tries_left in (2, 1, 0):
        world.calls.step_in(1, "before", raising(_BUSY))
        if tries_left:
            with pytest.raises(BmcUnavailable):
                finish_it(world)
        else:
            finish_it(world)
    assert world.api.state.closed_at
    assert "without clean-up" in world.api.timeline[-1].detail
    assert world.api.device.record.active_run is None


def test_finish_gives_the_device_back_when_the_clean_up_breaks(world: World) -> None:
    boot_it(world)
    world.api.abort()
    for _ in range(2):
        world.calls.step_in(1, "before", raising(AttributeError("an answer that nobody thought of")))
        with pytest.raises(BmcUnavailable):
            finish_it(world)
    world.calls.step_in(1, "before", raising(AttributeError("an answer that nobody thought of")))
    finish_it(world)
    assert "an answer that nobody thought of" in world.api.timeline[-1].detail
    assert world.api.device.record.active_run is None


def test_power_stays_on_after_the_run_where_that_is_wanted(world: World) -> None:
    world.settings = world.settings.model_copy(update={"power_off_after_run": False})
    world.use(world.context.make_bmc)
    boot_it(world)
    world.api.abort()
    finish_it(world)
    assert world.bmc.on
    assert world.bmc.media is None


@pytest.mark.parametrize("error", [BmcRejected("no", reason=FailureReason.NO_BOOT), _BUSY])
def test_a_machine_that_cannot_be_switched_off_keeps_no_medium_of_ours(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    boot_it(world)
    world.api.abort()
    monkeypatch.setattr(world.bmc, "power_off", lambda _permit: raising(error)())
    for _ in range(3):
        with suppress(BmcUnavailable):
            finish_it(world)
    assert world.bmc.on
    assert world.bmc.media is None
    assert world.api.state.closed_at
    assert "closed without" in world.api.timeline[-1].detail
