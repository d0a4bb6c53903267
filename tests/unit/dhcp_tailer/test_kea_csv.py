"""Kea's memfile."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bringup.model import LeaseEvent
from dhcp_tailer.follower import FileFollower
from dhcp_tailer.framing import KEA
from dhcp_tailer.sources.kea_csv import KeaCsv
from dhcp_tailer.sources.parser import KNOWN, NO_MAC, Skip

HEADER = b"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context"
ROW = b"10.77.1.0,02:00:00:00:00:01,01:02:00:00:00:00:01,40,1795432422,1,0,0,idrac,0,"
HEADER6 = (
    b"address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,"
    b"hostname,hwaddr,state,user_context,hwtype,hwaddr_source"
)
ROW6 = b"fd00:77::1,00:03:00:01:02:00:00:00:00:77,20,1795441627,1,15,0,119,128,0,0,,,0,,,"


def source(header: bytes = HEADER) -> KeaCsv:
    made = KeaCsv()
    made.parse(header)
    return made


def event(row: bytes, header: bytes = HEADER) -> LeaseEvent:
    parsed = source(header).parse(row)
    assert isinstance(parsed, LeaseEvent), parsed
    return parsed


def events(made: KeaCsv, text: bytes) -> list[tuple[str, str]]:
    parsed = [made.parse(line) for line in text.splitlines()]
    return [(e.action.value, e.run_id[12:]) for e in parsed if not isinstance(e, Skip)]


def actions(*rows: bytes) -> list[str]:
    made = source()
    return [p.reason if isinstance(p, Skip) else p.action.value for p in map(made.parse, rows)]


def test_a_real_file_gives_exactly_its_leases(samples: Path) -> None:
    assert events(KeaCsv(), (samples / "kea-leases4.before-lfc.csv").read_bytes()) == [
        ("assigned", "00-01-1795432382"),
        ("renewed", "00-01-1795432384"),
        ("renewed", "00-01-1795432385"),
        ("renewed", "00-01-1795432386"),
        ("released", "00-01-1795432386"),
        ("assigned", "00-02-1795432388"),
        ("assigned", "00-44-1795432393"),
        ("assigned", "00-55-1795432393"),
    ]


def test_live_leases_that_the_lfc_moved_away_are_read_from_there(samples: Path, tmp_path: Path, reader: Any) -> None:
    path = tmp_path / "kea-leases4.csv"
    for name in ("kea-leases4.csv", "kea-leases4.csv.2"):
        (tmp_path / name).write_bytes((samples / name).read_bytes())
    reading = reader(FileFollower(path, layout=KEA))
    assert events(KeaCsv(), b"\n".join(reading.drain())) == [
        ("assigned", "00-01-1795432443"),
        ("expired", "00-01-1795432443"),
    ]


def test_the_lfc_while_we_follow_gives_no_lease_again(tmp_path: Path, reader: Any) -> None:
    path = tmp_path / "kea-leases4.csv"
    renewed = ROW.replace(b"432422", b"432432")
    path.write_bytes(HEADER + b"\n" + ROW + b"\n" + renewed + b"\n")
    reading, made = reader(FileFollower(path, layout=KEA)), KeaCsv()
    assert [a for a, _ in events(made, b"\n".join(reading.drain()))] == ["assigned", "renewed"]
    path.rename(f"{path}.1")
    path.write_bytes(HEADER + b"\n" + ROW.replace(b"1.0,", b"1.5,") + b"\n")
    Path(f"{path}.2").write_bytes(HEADER + b"\n" + renewed + b"\n")
    Path(f"{path}.1").unlink()
    assert events(made, b"\n".join(reading.drain())) == [("assigned", "00-01-1795432382")]


def test_columns_are_found_by_their_names() -> None:
    header = b"address,state,expire,valid_lifetime,new,hwaddr"
    assert event(b"10.77.1.0,0,1795432422,40,x,02:00:00:00:00:01", header).run_id == event(ROW).run_id


def test_a_header_without_what_matters_is_malformed() -> None:
    parsed = KeaCsv().parse(HEADER.replace(b"expire", b"expired"))
    assert isinstance(parsed, Skip)
    assert (parsed.malformed, parsed.reason) == (True, "a header without expire")


@pytest.mark.parametrize(
    "row", [ROW + b",", b"10.77.1.0", ROW.replace(b"40", b"x"), ROW.replace(b"02:", b"zz:"), b"\xff"]
)
def test_a_row_that_does_not_fit_is_malformed(row: bytes) -> None:
    parsed = source().parse(row)
    assert isinstance(parsed, Skip)
    assert parsed.malformed


def test_a_row_before_any_header_is_malformed() -> None:
    parsed = KeaCsv().parse(ROW)
    assert isinstance(parsed, Skip)
    assert parsed.reason == "a row without a header"


def test_a_lifetime_of_zero_is_the_end() -> None:
    gone = ROW.replace(b",40,1795432422,", b",0,1795432386,")
    assert actions(ROW, gone) == ["assigned", "released"]
    assert actions(ROW, ROW.replace(b",40,1795432422,", b",0,1795432422,")) == ["assigned", "expired"]
    assert actions(gone) == ["the end of a lease that was not known"]


@pytest.mark.parametrize(
    ("state", "action"), [(b"2", "expired"), (b"3", "released"), (b"1", "the end of a lease that was not known")]
)
def test_every_state_but_the_default_ends_a_lease(state: bytes, action: str) -> None:
    assert actions(ROW, ROW.replace(b"idrac,0,", b"idrac," + state + b",")) == ["assigned", action]


def test_the_lease_after_an_end_is_assigned() -> None:
    gone = ROW.replace(b",40,1795432422,", b",0,1795432386,")
    assert actions(ROW, gone, ROW.replace(b"1795432422", b"1795432430")) == ["assigned", "released", "assigned"]


def test_a_repeated_row_is_known_and_a_later_one_is_a_renewal() -> None:
    later, too_late = ROW.replace(b"432422", b"432440"), ROW.replace(b"432422", b"432490")
    assert actions(ROW, ROW, later, too_late) == ["assigned", KNOWN.reason, "renewed", "assigned"]


def test_an_infinite_lease_has_no_end() -> None:
    assert event(ROW.replace(b",40,1795432422,", b",4294967295,6090399677,")).ends is None


def test_escaped_characters_are_read() -> None:
    assert event(ROW.replace(b"idrac", b"a&#x2cb&#x26")).hostname == "a,b&"
    assert event(ROW.replace(b"idrac", b"a&#x0ab")).hostname == "a\\nb"


def test_the_circuit_of_a_relay_is_in_the_event() -> None:
    row = ROW + b'{ "ISC": { "relay-agent-info": "0x01027264" } }'
    assert event(row).circuit_id == "rd"
    newer = ROW + b'{ "ISC": { "relay-agent-info": { "sub-options": "0x01027264"&#x2c "remote-id": "00" } } }'
    assert event(newer).circuit_id == "rd"


def test_without_a_hardware_address_there_is_no_mac() -> None:
    assert source().parse(ROW.replace(b"02:00:00:00:00:01,", b",", 1)) == NO_MAC


def test_dhcpv6_takes_the_mac_of_the_duid_or_the_one_that_kea_found() -> None:
    lease = event(ROW6, HEADER6)
    assert (lease.mac, str(lease.ip), lease.client_id) == (
        "02:00:00:00:00:77",
        "fd00:77::1",
        "00:03:00:01:02:00:00:00:00:77",
    )
    assert event(ROW6.replace(b",,,0,", b",,02:00:00:00:00:99,0,"), HEADER6).mac == "02:00:00:00:00:99"
    assert source(HEADER6).parse(ROW6.replace(b"00:03:00:01", b"00:02:00:01")) == NO_MAC


def test_a_delegated_prefix_is_no_lease() -> None:
    parsed = source(HEADER6).parse(ROW6.replace(b",15,0,", b",15,2,"))
    assert parsed == Skip("a delegated prefix")


def test_the_real_dhcpv6_file_gives_its_leases(samples: Path) -> None:
    found = events(KeaCsv(), (samples / "kea-leases6.csv").read_bytes())
    assert [(action, run[:5]) for action, run in found] == [
        ("assigned", "00-77"),
        *[("renewed", "00-77")] * 3,
        ("released", "00-77"),
        *[("assigned", mac) for mac in ("03-04", "03-05", "03-06")],
        *[("renewed", mac) for mac in ("03-04", "03-05")],
        *[("expired", mac) for mac in ("03-06", "03-04", "03-05")],
    ]


def test_time_is_that_of_the_row() -> None:
    assert event(ROW).starts == datetime(2026, 11, 23, 11, 13, 2, tzinfo=UTC)


def test_state_survives_being_kept_with_the_header_and_a_foreign_one_is_refused() -> None:
    first, second = source(), KeaCsv()
    first.parse(ROW)
    second.restore(first.state())
    assert second.parse(ROW) == KNOWN
    with pytest.raises(ValueError, match="validation error"):
        second.restore({"leases": []})


@given(
    row=st.binary(max_size=120)
    | st.lists(st.text(max_size=9), min_size=11, max_size=11).map(lambda f: ",".join(f).encode())
)
def test_any_row_is_skipped_or_read_and_never_an_error(row: bytes) -> None:
    source().parse(row)
