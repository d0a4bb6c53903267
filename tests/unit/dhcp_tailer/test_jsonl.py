"""One JSON object per line."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bringup.model import LeaseEvent
from dhcp_tailer.sources.jsonl import JsonLines
from dhcp_tailer.sources.parser import Skip

DATA = {"ip": "10.77.4.16", "mac": "02:00:00:00:00:01", "hostname": "idrac-7XK2M13"}


def line(**changes: Any) -> bytes:
    fields = {"event_type": "lease_assigned", "timestamp": "2026-11-23T09:41:36Z", "data": DATA, **changes}
    return json.dumps(fields).encode()


def event(**changes: Any) -> LeaseEvent:
    parsed = JsonLines().parse(line(**changes))
    assert isinstance(parsed, LeaseEvent), parsed
    return parsed


def reason(record: bytes) -> str:
    parsed = JsonLines().parse(record)
    assert isinstance(parsed, Skip)
    assert parsed.malformed
    return parsed.reason


def test_a_line_is_a_lease() -> None:
    lease = event()
    assert (lease.run_id, str(lease.ip), lease.hostname, lease.source) == (
        "02-00-00-00-00-01-1795426896",
        "10.77.4.16",
        "idrac-7XK2M13",
        "jsonl",
    )


@pytest.mark.parametrize(
    ("spellings", "action"),
    [
        (("assigned", "lease_assigned", "add", "commit", "ADD"), "assigned"),
        (("renewed", "lease_renewed", "old"), "renewed"),
        (("released", "lease_released", "release", "del"), "released"),
        (("expired", "lease_expired", "expiry"), "expired"),
    ],
)
def test_every_servers_word_for_it_is_known(spellings: tuple[str, ...], action: str) -> None:
    assert {event(event_type=word).action.value for word in spellings} == {action}


def test_another_event_is_skipped_and_not_malformed() -> None:
    assert JsonLines().parse(line(event_type="tftp")) == Skip("event_type is not that of a lease")


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-11-23T09:41:36Z",
        "2026-11-23T09:41:36.9+00:00",
        "2026-11-23 10:41:36+01:00",
        "2026-11-23T09:41:36",
        "20261123T094136",
        1795426896,
        1795426896.9,
        "1795426896",
    ],
)
def test_every_way_to_write_a_time_gives_the_same_run(timestamp: Any) -> None:
    assert event(timestamp=timestamp).run_id == "02-00-00-00-00-01-1795426896"


@pytest.mark.parametrize(
    "timestamp", [None, "", "now", "2026-11-23", True, [], 1e300, float("nan"), 1795426896000, "9" * 30]
)
def test_what_is_no_time_is_malformed(timestamp: Any) -> None:
    assert reason(line(timestamp=timestamp)) == "timestamp is neither ISO 8601 nor seconds since the epoch"


def test_a_time_before_1970_is_malformed() -> None:
    assert reason(line(timestamp=-1)) == "starts lies before 1970"


def test_what_else_a_line_holds_is_taken() -> None:
    lease = event(data={**DATA, "vendor_class": "iDRAC", "client_id": "01:02", "circuit_id": "rd", "lease_time": 120})
    assert (lease.vendor_class, lease.client_id, lease.circuit_id) == ("iDRAC", "01:02", "rd")
    assert lease.ends == datetime(2026, 11, 23, 9, 43, 36, tzinfo=UTC)


def test_the_end_may_be_a_time() -> None:
    assert event(data={**DATA, "ends": 1795427016}).ends == datetime(2026, 11, 23, 9, 43, 36, tzinfo=UTC)


def test_an_infinite_lease_has_no_end() -> None:
    assert event(data={**DATA, "lease_time": 0xFFFFFFFF}).ends is None


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[1]", "is not a JSON object"),
        (b"[" * 60_000, "is not JSON"),
        (b"1" * 60_000, "is not JSON"),
        (b"{}", "event_type is missing or no text"),
        (line(event_type=7), "event_type is missing or no text"),
        (line(data=None), "data is not an object"),
        (line(data={}), "ip and mac cannot be read"),
        (line(data={**DATA, "mac": "x"}), "mac cannot be read"),
        (line(data={**DATA, "ip": 1}), "ip cannot be read"),
        (line(data={**DATA, "hostname": 7}), "hostname is no text"),
        (line(data={**DATA, "lease_time": -1}), "lease_time is not a number of seconds"),
        (line(data={**DATA, "lease_time": True}), "lease_time is not a number of seconds"),
        (line(data={**DATA, "ends": "soon"}), "ends is neither ISO 8601 nor seconds since the epoch"),
    ],
)
def test_a_malformed_line_says_why(record: bytes, why: str) -> None:
    assert reason(record) == why


def test_an_empty_line_is_nothing() -> None:
    assert JsonLines().parse(b" \r") == Skip("not a lease")


def test_text_of_a_device_is_escaped_and_cut() -> None:
    lease = event(data={**DATA, "hostname": "a\n\u202e\ud800" + "\x00" * 5000})
    assert lease.hostname is not None
    assert lease.hostname.isprintable()
    assert len(lease.hostname) == 1024


@given(
    record=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.floats() | st.text(), lambda v: st.dictionaries(st.text(), v), max_leaves=10
    ).map(lambda v: json.dumps({"event_type": "add", "timestamp": v, "data": v}).encode())
)
def test_any_line_is_skipped_or_read_and_never_an_error(record: bytes) -> None:
    JsonLines().parse(record)


def test_it_has_no_state_and_accepts_no_other() -> None:
    source = JsonLines()
    source.restore(source.state())
    with pytest.raises(ValueError, match="has no state"):
        source.restore({})
