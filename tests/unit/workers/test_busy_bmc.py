"""A BMC that waits for its host: the job waits with it, posts that to the run's timeline, and uses up no try."""

import time

import pytest

from bringup.errors import BmcBusy
from bringup.model import FailureReason, RunState
from bringup.wire.run_events import RunMedia
from tests.unit.workers.fakes import RUN_ID, World
from workers.boot import boot

FOR_EVER = 10**6


def boot_it(world: World) -> None:
    boot(world.context, world.task(), run_id=RUN_ID)


def waits(world: World) -> list[str]:
    return [entry.detail for entry in world.api.timeline if entry.type == "bmc_busy"]


def test_a_host_in_post_is_waited_for_and_named_once(world: World) -> None:
    world.bmc.busy = 4
    boot_it(world)
    assert world.api.state.state is RunState.WAITING
    assert waits(world) == ["waiting for the host to leave POST"]
    assert world.clock.now == 20, "five seconds between two looks"


def test_each_look_has_a_permit_of_its_own(world: World) -> None:
    world.bmc.on, world.bmc.busy = True, 4
    world.bmc.media = RunMedia(run_id=RUN_ID, callback_url="http://api", epoch=0)
    boot_it(world)
    given = [entry for entry in world.api.timeline if entry.type == "write_requested"]
    assert len(given) == 2 + 4, "to take an old medium out, to insert, and for each look at a busy BMC"


def test_a_worker_is_not_silent_for_long_and_the_wait_costs_no_try(world: World) -> None:
    world.bmc.busy = FOR_EVER
    for _ in range(world.settings.bmc_tries + 2):
        with pytest.raises(BmcBusy):
            boot_it(world)
    assert world.clock.now < (world.settings.bmc_tries + 2) * 90
    assert world.api.state.state is RunState.BOOTING


def test_a_host_that_never_leaves_post_ends_the_run_with_what_it_would_not_do(
    world: World,
) -> None:
    world.bmc.busy = FOR_EVER
    with pytest.raises(BmcBusy):
        boot_it(world)
    world.clock.now += world.settings.boot_timeout_s + 1
    boot_it(world)
    assert (world.api.state.state, world.api.state.reason) == (RunState.FAILED, FailureReason.NO_BOOT)
    assert "leave POST" in world.api.state.detail


def test_a_busy_bmc_has_its_time_although_the_next_worker_has_another_clock(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.bmc.busy = FOR_EVER
    with pytest.raises(BmcBusy):
        boot_it(world)
    later = time.time() + world.settings.boot_timeout_s + 3600
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(BmcBusy):
        boot_it(world)
