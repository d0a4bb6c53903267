"""The boot and finish jobs are killed before and after every call that they make, and run again."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from bringup.errors import NotYet
from bringup.model import DeviceState, RunState
from bringup.settings import Settings
from tests.unit.workers.fakes import RUN_ID, Killed, World
from workers.boot import boot
from workers.jobs import finish

Moment = tuple[int, str]  # the number of a call, and "before" or "after" it
LONGEST = 100  # calls of one job: far more than any makes

# Of the pairs of two kills a third, always; all of them in scripts/test-slow.
EVERY = pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)], ids=["third pair", "pair"])
MACHINE = pytest.mark.parametrize("machine_is_on", [False, True], ids=["machine off", "machine on"])


def as_the_queue(job: Callable[[], None], world: World) -> None:
    """A job that is too early is run again at the time that it asked for."""
    for _ in range(9):
        try:
            return job()
        except NotYet as early:
            world.clock.sleep(early.retry_in_s or 0)
    raise AssertionError("the job is always too early")


def boot_it(world: World) -> None:
    as_the_queue(lambda: boot(world.context, world.task(), run_id=RUN_ID), world)


def finish_it(world: World) -> None:
    as_the_queue(lambda: finish(world.context, world.task(), run_id=RUN_ID), world)


def booted(settings: Settings, *, machine_is_on: bool) -> World:
    world = World(settings, machine_is_on=machine_is_on)
    boot_it(world)
    return world


def ended(settings: Settings, *, machine_is_on: bool = False) -> World:
    world = booted(settings, machine_is_on=machine_is_on)
    world.api.abort()
    return world


def calls_of(world: World, job: Callable[[World], None]) -> int:
    before = len(world.calls.names)
    job(world)
    return len(world.calls.names) - before


def moments(world: World, job: Callable[[World], None]) -> list[Moment]:
    """Every moment at which to kill the job: before and after each call.

    Between the end of a call and the start of the next, a job changes nothing that outlives it but the clock and what
    it notes in its meta. Where it changes neither, the two moments are one.
    """
    seen: list[tuple[Moment, object]] = []

    def note(moment: Moment) -> None:
        seen.append((moment, (world.clock.now, dict(world.meta))))

    for number, when in itertools.product(range(LONGEST), ("before", "after")):
        world.calls.step_in(number, when, partial(note, (number, when)))
    job(world)
    assert len(seen) < LONGEST
    between = itertools.pairwise(seen)
    return [seen[0][0], *(now for (_, left), (now, found) in between if now[1] == "after" or found != left)]


def run_killed(world: World, job: Callable[[World], None], *kills: Moment) -> World:
    """The world after the job was killed at a moment of its first execution, then of its second, and so on."""
    for number, when in kills:
        world.calls.kill(number, when)
        with pytest.raises(Killed):
            job(world)
    return world


def killed_twice(
    make: Callable[[], World], job: Callable[[World], None], every: int
) -> Iterator[tuple[World, tuple[Moment, ...]]]:
    """A world for each moment of the first execution, and for pairs with one of the second: for each n-th of them.

    Beside one first moment others of the second are left out than beside the next: each comes up.
    """
    for number, first in enumerate(moments(make(), job)):
        yield run_killed(make(), job, first), (first,)
        for second in moments(run_killed(make(), job, first), job)[number % every :: every]:
            yield run_killed(make(), job, first, second), (first, second)


def assert_started_once(world: World, why: object) -> None:
    assert world.bmc.on, why
    assert world.bmc.power_on_count == 1, why
    assert world.bmc.booted is not None, why
    assert world.bmc.booted.epoch == world.api.tokens, f"{why}: the machine bears a dead token"


@MACHINE
def test_boot_killed_at_any_call_and_run_again_starts_the_machine_once(
    fast_settings: Settings, *, machine_is_on: bool
) -> None:
    make = partial(World, fast_settings, machine_is_on=machine_is_on)
    assert calls_of(make(), boot_it) >= 11
    for moment in moments(make(), boot_it):
        world = run_killed(make(), boot_it, moment)
        boot_it(world)
        assert_started_once(world, moment)
        assert world.api.state.state is RunState.WAITING, moment


@EVERY
@MACHINE
def test_boot_killed_twice_starts_the_machine_once(fast_settings: Settings, *, machine_is_on: bool, every: int) -> None:
    for world, kills in killed_twice(partial(World, fast_settings, machine_is_on=machine_is_on), boot_it, every):
        boot_it(world)
        assert_started_once(world, kills)
        assert world.api.state.state is RunState.WAITING


def test_boot_killed_after_the_machine_called_back_leaves_the_run_running(fast_settings: Settings) -> None:
    for moment in moments(World(fast_settings), boot_it):
        world = run_killed(World(fast_settings), boot_it, moment)
        if not world.bmc.on:
            continue
        world.api.heartbeat()
        boot_it(world)
        assert_started_once(world, moment)
        assert world.api.state.state is RunState.RUNNING, moment


def test_a_boot_that_is_done_does_nothing_when_it_runs_again(fast_settings: Settings) -> None:
    world = booted(fast_settings, machine_is_on=True)
    boot_it(world)
    assert_started_once(world, "again")
    assert world.bmc.power_off_count == 1


@EVERY
@MACHINE
def test_finish_killed_at_any_call_and_run_again_closes_the_run(
    fast_settings: Settings, *, machine_is_on: bool, every: int
) -> None:
    make = partial(ended, fast_settings, machine_is_on=machine_is_on)
    off_before = make().bmc.power_off_count
    assert calls_of(make(), finish_it) >= 7
    for world, moment in killed_twice(make, finish_it, every):
        finish_it(world)
        assert world.api.state.closed_at, moment
        assert world.api.device.record.active_run is None, moment
        assert not world.bmc.on, moment
        assert world.bmc.power_off_count == off_before + 1, moment
        assert world.bmc.power_on_count == 1, moment
        assert world.bmc.media is None, moment


def test_boot_killed_anywhere_and_then_aborted_leaves_no_medium_and_no_power(fast_settings: Settings) -> None:
    for moment in moments(World(fast_settings), boot_it):
        world = run_killed(World(fast_settings), boot_it, moment)
        world.api.abort()
        boot_it(world)  # the reaper requeues the boot job too
        finish_it(world)
        boot_it(world)
        assert world.bmc.media is None, moment
        assert not world.bmc.on, moment
        assert world.api.state.closed_at, moment
        assert world.api.device.record.state is DeviceState.FAILED
