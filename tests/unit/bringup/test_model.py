"""The words of the field: run ids, MACs, and text that devices choose."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from bringup.model import LeaseAction, LeaseEvent, RunState
from bringup.text import printable


def lease(**fields: object) -> LeaseEvent:
    given = {
        "mac": "52:54:00:00:0A:01",
        "ip": "10.0.0.1",
        "action": "assigned",
        "starts": datetime(2026, 11, 23, 9, 41, 36, tzinfo=UTC),
        "source": "test",
    }
    return LeaseEvent.model_validate(given | fields)


def test_the_run_id_is_the_mac_and_the_start_of_the_lease() -> None:
    assert lease().run_id == "52-54-00-00-0a-01-1795426896"


def test_the_run_id_is_the_same_in_every_time_zone() -> None:
    assert lease(starts="2026-11-23T14:41:36+05:00").run_id == lease().run_id


@pytest.mark.parametrize("mac", ["", "52:54:00:00:0a", "52:54:00:00:0a:01:02", "zz:54:00:00:0a:01", 5, "x" * 1000])
def test_what_is_not_a_mac_is_refused(mac: object) -> None:
    with pytest.raises(ValidationError):
        lease(mac=mac)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError):
        lease(starts=datetime(2026, 11, 23, 9, 41, 36))  # noqa: DTZ001 - that is the point


def test_device_text_cannot_break_out_of_a_log_line() -> None:
    hostile = 'x"\n2026 DHCPACK(br0)\x1b[2J\x00\u202e'
    shown = lease(hostname=hostile).hostname
    assert shown == printable(hostile)
    assert shown is not None
    assert shown.isprintable()


def test_every_state_is_open_or_ended() -> None:
    assert {state for state in RunState if not state.ended} == {
        RunState.QUEUED,
        RunState.BOOTING,
        RunState.WAITING,
        RunState.RUNNING,
        RunState.UNKNOWN,
    }


def test_a_lease_event_survives_its_way_through_json() -> None:
    event = lease(hostname="a", action=LeaseAction.ASSIGNED)
    assert LeaseEvent.model_validate_json(event.model_dump_json()) == event
