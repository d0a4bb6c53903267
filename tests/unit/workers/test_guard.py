"""What a worker makes of the API's answer to its question for a permit."""

import pytest

from bringup.errors import ApiUnavailable, PermitExpired
from bringup.wire.run_events import PERMIT_S, EventType, RunEventReply
from tests.unit.workers.fakes import RUN_ID, World
from workers.bmc import Permit
from workers.guard import Guard


def guard_of(world: World, monkeypatch: pytest.MonkeyPatch, permit_s: float | None) -> Guard:
    """The guard of a worker to whom the API answers so."""
    reply = RunEventReply(state=world.api.state.state, permit_s=permit_s)
    monkeypatch.setattr(
        world.api, "post_event", lambda *_args, **_fields: world.calls.through("post_event", lambda: reply)
    )
    return Guard(world.context, RUN_ID, world.bmc, world.task().fencing_token)


def test_no_permit_is_longer_than_we_know_it_to_be_safe(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    permits: list[Permit] = []
    guard_of(world, monkeypatch, 1000 * PERMIT_S).write(EventType.WRITE_REQUESTED, permits.append)
    assert [permit.remaining_s() for permit in permits] == [PERMIT_S]


def test_an_answer_without_a_permit_permits_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PermitExpired):
        guard_of(world, monkeypatch, None).write(EventType.WRITE_REQUESTED, Permit.require)


def test_the_bmc_is_connected_to_before_the_permit_is_asked_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = guard_of(world, monkeypatch, PERMIT_S)
    monkeypatch.setattr(world.bmc, "connect", lambda: world.calls.through("connect", lambda: None))
    before = len(world.calls.names)
    guard.write(EventType.WRITE_REQUESTED, Permit.require)
    assert world.calls.names[before:] == ["connect", "post_event"]


def test_a_permit_without_a_medium_inserts_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ApiUnavailable, match="named none"):
        guard_of(world, monkeypatch, PERMIT_S).insert_media("insert the medium")
    assert "insert_media" not in world.calls.names
