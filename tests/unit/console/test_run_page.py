"""What is computed for the page of a run: its dots, its timeline, its verdict, what is awaited, and two reports."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from bringup.failure_reasons import EXPLANATIONS
from bringup.model import DeviceState, FailureReason, RunState
from bringup.wire.report import CheckResult, CheckStatus, Report, Verdict
from bringup.wire.run import RunDetail, TimelineEntry
from console import words
from console.awaited import awaited, look_at, meaning
from console.dots import WIDTH, dots_of, span
from console.recent import Recent
from console.run_page import MOST_STEPS, checks_of, differences, steps_of
from console.state.machine import EventDot, Machine, RunLine
from tests.unit.console.conftest import AT, device, run_of
from tests.unit.console.test_pages import REPORT


def at(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def line_of(state: RunState = RunState.RUNNING, seen: tuple[EventDot, ...] = (), **fields: Any) -> RunLine:
    return RunLine.of(run_of("a", state, **fields), seen)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.25, "250 ms"),
        (59.9, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3600 * 3 + 60 * 5, "3 h 5 min"),
        (3600 * 11 + 60 * 5, "11 h"),
        (86400 * 2 + 3600, "2 d 1 h"),
        (-5, "0 s"),
    ],
)
def test_a_duration_is_told_by_its_two_largest_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_dots_stand_in_time_from_the_lease_to_the_end() -> None:
    run = line_of(RunState.PASSED, boot_started_at=at(50), ended_at=at(100))
    first, middle, last = dots_of(run, at(500))
    assert first.x < WIDTH * 0.1
    assert abs(middle.x - WIDTH / 2) < 1
    assert last.x > WIDTH * 0.9
    assert [dot.shape for dot in (first, middle, last)] == ["dot", "dot", "tick"]


@pytest.mark.parametrize(
    ("state", "shape"),
    [
        (RunState.PASSED, "tick"),
        (RunState.DEGRADED, "triangle"),
        (RunState.FAILED, "cross"),
        (RunState.TIMED_OUT, "cross"),
    ],
)
def test_each_end_has_a_shape_of_its_own(state: RunState, shape: str) -> None:
    assert dots_of(line_of(state, ended_at=at(10)), at(20))[-1].shape == shape


def test_an_open_run_ends_with_a_ring_for_what_is_awaited() -> None:
    assert dots_of(line_of(), at(20))[-1].shape == "ring"


def test_what_a_person_did_is_a_square_with_their_name() -> None:
    run = line_of(RunState.ABORTED, (EventDot(at(10), "abort", "no need", "alice"),), ended_at=at(10))
    last = dots_of(run, at(20))[-1]
    assert last.shape == "square"
    assert "by alice" in last.title


@pytest.mark.parametrize("count", [1, 5, 40, 200])
def test_events_of_one_second_do_not_hide_each_other_and_stay_on_the_line(count: int) -> None:
    seen = tuple(EventDot(at(1), "bmc_busy") for _ in range(count))
    places = [dot.x for dot in dots_of(line_of(RunState.FAILED, seen, ended_at=at(1000)), at(2000))]
    assert places == sorted(places)
    assert len(set(places)) == len(places) or count > 100
    assert places[0] >= 0
    assert places[-1] <= WIDTH


def test_a_clock_that_went_back_breaks_no_line() -> None:
    seen = (EventDot(at(-60), "bmc_busy"),)
    assert all(0 <= dot.x <= WIDTH for dot in dots_of(line_of(RunState.RUNNING, seen), at(-120)))


def detail(timeline: Sequence[TimelineEntry], **fields: Any) -> RunDetail:
    return RunDetail(**dict(run_of("a", **fields)), timeline=tuple(timeline))


def entry(seconds: float, kind: str, *, applied: bool = True) -> TimelineEntry:
    return TimelineEntry(at=at(seconds), type=kind, state=RunState.BOOTING, applied=applied)


def test_the_timeline_has_the_time_since_the_begin_and_until_the_next_event() -> None:
    steps = steps_of(detail([entry(0, "lease"), entry(5, "boot_started"), entry(70, "powered_on")]))
    assert [(step.after, step.took) for step in steps] == [("0 s", "5 s"), ("5 s", "1 min 5 s"), ("1 min 10 s", "")]


def test_a_very_long_timeline_freezes_no_browser_and_its_newest_part_is_shown() -> None:
    steps = steps_of(detail([entry(second, "bmc_busy") for second in range(5000)]))
    assert len(steps) == MOST_STEPS
    assert (steps[-1].after, steps[-1].attempt) == ("1 h 23 min", 5000)


def test_a_step_that_comes_again_is_the_next_try_unless_it_was_not_applied() -> None:
    kinds = [("boot_started", True), ("boot_started", False), ("boot_started", True), ("heartbeat", True)]
    steps = steps_of(detail([entry(index, kind, applied=yes) for index, (kind, yes) in enumerate(kinds)]))
    assert [step.attempt for step in steps] == [0, 0, 2, 0]


def test_the_worst_check_of_a_verdict_comes_first() -> None:
    statuses = [CheckStatus.OK, CheckStatus.SKIP, CheckStatus.FAIL, CheckStatus.WARN, CheckStatus.OK]
    checks = tuple(CheckResult(name=str(index), status=status) for index, status in enumerate(statuses))
    assert [check.name for check in checks_of(Verdict(state=RunState.FAILED, checks=checks))] == [
        "2",
        "3",
        "1",
        "0",
        "4",
    ]
    assert not checks_of(None)


def machine(state: DeviceState, run: RunLine | None = None, **fields: Any) -> Machine:
    return Machine("a", device("a", state, **fields), run, "fra1", 1)


@pytest.mark.parametrize("state", words.STATES)
def test_every_state_has_words_and_a_place(state: str) -> None:
    word = words.STATES[state]
    assert word.word
    assert word.means.endswith(".")
    assert word.group in words.Group


@pytest.mark.parametrize("state", [*RunState])
def test_every_state_of_a_run_and_of_a_device_is_known(state: RunState) -> None:
    assert state.value in words.STATES
    assert {one.value for one in DeviceState} <= words.STATES.keys()


@pytest.mark.parametrize(
    ("state", "fields", "what"),
    [
        (RunState.QUEUED, {"boot_slot": "waits"}, "a boot slot"),
        (RunState.QUEUED, {}, "a worker for the boot job"),
        (RunState.BOOTING, {"bmc": "https://10.0.0.1"}, "the BMC: medium, boot order, power"),
        (RunState.WAITING, {}, "its first call"),
        (RunState.RUNNING, {}, "its report"),
        (RunState.UNKNOWN, {}, "the end of its run"),
    ],
)
def test_what_an_open_run_waits_for_is_named(state: RunState, fields: dict[str, Any], what: str) -> None:
    found = awaited(machine(DeviceState.VALIDATING, line_of(state, deadline_at=at(60), **fields)))
    assert found.what == what
    assert found.until in {None, at(60)}


@pytest.mark.parametrize("reason", [*FailureReason, "one_of_a_newer_version"])
def test_every_failure_has_a_next_step(reason: str) -> None:
    run = line_of(RunState.FAILED, ended_at=at(9), reason=reason)
    found = awaited(machine(DeviceState.FAILED, run))
    assert found.do.startswith("Look at: ")
    assert found.do.endswith("Then start another run.")
    assert bool(meaning(reason)) == (reason in EXPLANATIONS)
    assert "RUN_ID" not in look_at(reason)


@pytest.mark.parametrize(
    ("state", "fields", "by"),
    [
        (DeviceState.DISCOVERED, {}, "an operator"),
        (DeviceState.APPROVED, {}, "the machine"),
        (DeviceState.APPROVED, {"maintenance": "fan"}, "an operator"),
        (DeviceState.ACTIVE, {}, ""),
    ],
)
def test_whose_turn_it_is_is_named_for_a_machine_at_rest(state: DeviceState, fields: dict[str, Any], by: str) -> None:
    assert awaited(machine(state, **fields)).by == by


def test_the_clean_up_after_a_run_is_awaited() -> None:
    assert awaited(machine(DeviceState.VALIDATED, line_of(RunState.PASSED, ended_at=at(9)))).by == "a worker"


@pytest.mark.parametrize(("state", "ended"), [(RunState.BOOTING, {}), (RunState.FAILED, {"ended_at": at(9)})])
def test_the_time_of_the_next_try_is_shown(state: RunState, ended: dict[str, Any]) -> None:
    found = awaited(machine(DeviceState.VALIDATING, line_of(state, retry_at=at(60), deadline_at=at(600), **ended)))
    assert ("next try" in found.what, found.until) == (True, at(60))


def report(**inventory: Any) -> Report:
    return Report.model_validate(REPORT | {"agent": "a", "inventory": dict(REPORT["inventory"]) | inventory})  # type: ignore[call-overload]


def disk(serial: str, size: int = 1) -> dict[str, Any]:
    return {"name": "sda", "serial": serial, "size": size}


def test_equal_reports_do_not_differ_whatever_boot_they_are_of() -> None:
    assert not differences(report(), report().model_copy(update={"boot_id": "other", "rtc_offset_s": 3.0}))


def test_a_disk_that_moved_is_the_same_disk() -> None:
    before, after = report(disks=[disk("A"), disk("B")]), report(disks=[disk("B"), disk("A")])
    assert not differences(before, after)


def test_what_is_not_the_same_is_named_with_both_values() -> None:
    before = report(disks=[disk("A")], memory={"total": 1, "physical_mb": 65536})
    after = report(disks=[disk("C")], memory={"total": 1, "physical_mb": 32768})
    found = {one.path: (one.before, one.after) for one in differences(before, after)}
    assert found["memory.physical_mb"] == ("65536", "32768")
    assert found["disks[A].size"] == ("1", "")
    assert found["disks[C].size"] == ("", "1")


@pytest.mark.parametrize(("times", "made"), [([0.0, 0.9], 1), ([0.0, 1.1, 1.1], 2)])
def test_what_was_made_a_moment_ago_is_not_made_again(times: list[float], made: int) -> None:
    clock = iter(times)
    recent, numbers = Recent[int](1.0, 2, lambda: next(clock)), iter(range(9))
    found = [recent.get("x", lambda: next(numbers)) for _ in range(2)]
    assert len(set(found)) == made


def test_no_more_is_kept_than_may_be() -> None:
    recent, numbers = Recent[int](1.0, 2, lambda: 0.0), iter(range(9))
    assert [recent.get(key, lambda: next(numbers)) for key in "abcab"] == [0, 1, 2, 3, 4]
    assert recent.get("b", lambda: next(numbers)) == 4
