"""Two at once: a second worker takes the boot over, or the operator aborts, at every moment of a boot."""

import contextlib
from collections.abc import Callable

import pytest

from bringup.errors import NotYet, TransientError
from bringup.model import RunState
from bringup.settings import Settings
from bringup.wire.run_events import PERMIT_S
from tests.unit.workers.fakes import RUN_ID, World
from tests.unit.workers.test_killed_anywhere import boot_it, finish_it
from workers.jobs import finish

# A call to the BMC that is under way cannot be called back; everything up to it can.
UNDER_WAY = {"power_on", "power_off", "insert_media"}


def calls_of_a_boot(settings: Settings) -> list[str]:
    world = World(settings, machine_is_on=True)
    boot_it(world)
    return world.calls.names


def held_up(world: World, number: int, when: str, meanwhile: Callable[[], None]) -> None:
    """Boot, but the worker is stopped in its tracks at one call, for longer than its permit holds."""

    def act() -> None:
        world.clock.sleep(PERMIT_S + 1)
        meanwhile()

    world.calls.step_in(number, when, act)
    try:
        boot_it(world)
    except TransientError:
        boot_it(world)  # as the queue would


def test_a_boot_taken_over_at_any_moment_starts_the_machine_once(fast_settings: Settings) -> None:
    for number, name in enumerate(calls_of_a_boot(fast_settings)):
        for when in ("before", "after"):
            if when == "before" and name in UNDER_WAY:
                continue
            world = World(fast_settings, machine_is_on=True)
            held_up(world, number, when, lambda world=world: boot_it(world))  # type: ignore[misc]
            why = f"{when} {number} {name}"
            assert world.bmc.on, why
            assert world.bmc.power_on_count == 1, why
            assert world.bmc.power_off_count == 1, why
            assert world.api.state.state is RunState.WAITING, why


def test_power_stays_off_when_the_run_is_aborted_at_any_moment_of_its_boot(fast_settings: Settings) -> None:
    for number, name in enumerate(calls_of_a_boot(fast_settings)):
        for when in ("before", "after"):
            world = World(fast_settings, machine_is_on=True)
            world.boot_in_flight = True

            def abort_and_finish(world: World = world) -> None:
                world.api.abort()
                with pytest.raises(NotYet):
                    finish(world.context, world.task(), run_id=RUN_ID)

            try:
                held_up(world, number, when, abort_and_finish)
            finally:
                world.boot_in_flight = False
            finish_it(world)
            why = f"{when} {number} {name}"
            assert world.api.state.closed_at, why
            assert not world.bmc.on or not world.api.state.power_on_requested_at, why
            assert world.bmc.media is None, why


def test_a_boot_that_was_given_up_does_not_switch_after_the_run_is_closed(fast_settings: Settings) -> None:
    for number, name in enumerate(calls_of_a_boot(fast_settings)):
        for when in ("before", "after"):
            if when == "before" and name in UNDER_WAY:
                continue
            world = World(fast_settings, machine_is_on=True)
            switched_by_then: list[int] = []

            def abort_and_close(world: World = world, switched: list[int] = switched_by_then) -> None:
                world.api.abort()
                finish_it(world)
                switched.append(world.bmc.power_on_count + world.bmc.power_off_count)

            held_up(world, number, when, abort_and_close)
            why = f"{when} {number} {name}"
            assert world.api.state.closed_at, why
            assert world.bmc.power_on_count + world.bmc.power_off_count == switched_by_then[0], why


def test_two_workers_that_finish_one_run_switch_off_once(fast_settings: Settings) -> None:
    for number in range(7):
        world = World(fast_settings)
        boot_it(world)
        world.api.abort()

        def other(world: World = world) -> None:
            world.clock.sleep(PERMIT_S + 1)
            finish_it(world)

        world.calls.step_in(number, "after", other)
        with contextlib.suppress(TransientError):  # the permit came too late
            finish_it(world)
        assert world.api.state.closed_at, number
        assert world.bmc.power_off_count == 1, number
