"""ISC dhcpd's lease file."""

import random
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.fuzz_sources import _mutated
from bringup.model import LeaseEvent
from dhcp_tailer.framing import Blocks
from dhcp_tailer.sources.isc_leases import IscLeases
from dhcp_tailer.sources.isc_syntax import plain
from dhcp_tailer.sources.parser import KNOWN, NO_MAC, NOT_A_LEASE, Skip

LEASE = """lease 10.77.1.0 {{
  starts {starts};
  ends {ends};
  cltt 1 2026/11/23 09:47:33;
  binding state {state};
  next binding state free;
  rewind binding state {rewind};
  hardware {hardware};
{more}}}"""


def lease(
    *,
    starts: str = "1 2026/11/23 09:47:33",
    ends: str = "1 2026/11/23 09:49:33",
    state: str = "active",
    rewind: str = "free",
    hardware: str = "ethernet 02:00:00:00:00:01",
    more: str = "",
) -> bytes:
    return LEASE.format(starts=starts, ends=ends, state=state, rewind=rewind, hardware=hardware, more=more).encode()


def events(text: bytes, source: IscLeases | None = None) -> list[LeaseEvent]:
    source = source or IscLeases()
    parsed = [source.parse(record.data) for record in Blocks(0).feed(text)]
    return [event for event in parsed if not isinstance(event, Skip)]


def event(record: bytes) -> LeaseEvent:
    parsed = IscLeases().parse(record)
    assert isinstance(parsed, LeaseEvent), parsed
    return parsed


def actions(*records: bytes) -> list[str]:
    source = IscLeases()
    return [p.reason if isinstance(p, Skip) else p.action.value for p in map(source.parse, records)]


def test_a_real_file_gives_exactly_its_leases(samples: Path) -> None:
    assert [(e.action.value, e.run_id[12:]) for e in events((samples / "dhcpd.leases").read_bytes())] == [
        ("assigned", "00-01-1795427253"),
        ("released", "00-01-1795427253"),
        ("assigned", "00-02-1795427258"),
        ("assigned", "00-44-1795427263"),
        ("assigned", "00-55-1795427263"),
        ("assigned", "00-01-1795427288"),
        ("expired", "00-02-1795427258"),
        ("expired", "00-55-1795427263"),
        ("expired", "00-44-1795427263"),
        ("expired", "00-01-1795427288"),
    ]


def test_a_real_lease_has_all_that_the_server_knew(samples: Path) -> None:
    found = next(e for e in events((samples / "dhcpd.leases").read_bytes()) if e.circuit_id)
    assert (str(found.ip), found.hostname, found.vendor_class, found.client_id, found.circuit_id, found.ends) == (
        "10.88.0.10",
        "bmc-r12u07",
        "HPE iLO 5",
        "00:02:00:00:ab:11:aa:bb:cc:dd:ee:ff:00:01",
        "rd",
        datetime(2026, 11, 23, 9, 49, 38, tzinfo=UTC),
    )


def test_the_rewrite_at_start_up_gives_no_lease_again(samples: Path) -> None:
    source = IscLeases()
    before = events((samples / "dhcpd2.leases~").read_bytes(), source)
    assert [e.action.value for e in before].count("assigned") == 4
    assert events((samples / "dhcpd2.leases").read_bytes(), source) == []


def test_replayed_records_are_known_and_no_run_changes(samples: Path) -> None:
    text = (samples / "dhcpd.leases").read_bytes()
    runs = {e.run_id for e in events(text) if e.action == "assigned"}
    assert {e.run_id for e in events(text + text) if e.action == "assigned"} == runs
    assert actions(lease(), lease()) == ["assigned", KNOWN.reason]


def test_a_real_dhcpv6_file_gives_its_leases_with_the_mac_of_the_duid(samples: Path) -> None:
    found = events((samples / "dhcpd6.leases").read_bytes())
    assert [(e.action.value, e.mac, str(e.ip)) for e in found] == [
        ("assigned", "02:00:00:00:00:77", "fd00:77::a3a5"),
        ("renewed", "02:00:00:00:00:77", "fd00:77::a3a5"),
        ("renewed", "02:00:00:00:00:77", "fd00:77::a3a5"),
        ("released", "02:00:00:00:00:77", "fd00:77::a3a5"),
        ("assigned", "00:0c:01:02:03:04", "fd00:77::eeba"),
        ("assigned", "00:0c:01:02:03:05", "fd00:77::953a"),
    ]


def test_a_dhcpv6_client_without_an_ethernet_address_is_counted_as_such(samples: Path) -> None:
    text = (samples / "dhcpd6.leases").read_bytes()
    record = next(r.data for r in Blocks(0).feed(text) if b"\\000\\003\\000\\001" in r.data)
    assert IscLeases().parse(record.replace(b"\\000\\003\\000\\001", b"\\000\\002\\000\\001")) == NO_MAC


def test_of_several_addresses_of_one_association_the_active_one_counts() -> None:
    record = b"""ia-na "w\\000\\000\\000\\000\\003\\000\\001\\002\\000\\000\\000\\000w" {
  cltt 1 2026/11/23 13:47:07;
  iaaddr fd00:77::1 { binding state expired; ends 1 2026/11/23 13:00:00; }
  iaaddr fd00:77::2 { binding state active; ends 1 2026/11/23 13:47:27; }
}"""
    assert str(event(record).ip) == "fd00:77::2"


def test_only_the_binding_state_itself_counts() -> None:
    assert actions(lease(state="free", rewind="active")) == ["the end of a lease that was not known"]
    assert actions(lease(), lease(state="backup", rewind="active"))[-1] == "expired"


def test_a_lease_that_never_ends_and_one_without_an_end_are_leases() -> None:
    assert event(lease(ends="never")).ends is None
    assert event(lease().replace(b"  ends 1 2026/11/23 09:49:33;\n", b"")).ends is None


def test_times_since_the_epoch_are_read_and_their_comment_is_none() -> None:
    found = event(lease(starts="epoch 1795427253; # Mon Nov 23 09:47:33 2026; ends never", ends="epoch 1795427373"))
    assert found.run_id == "02-00-00-00-00-01-1795427253"
    assert found.ends == datetime(2026, 11, 23, 9, 49, 33, tzinfo=UTC)


@pytest.mark.parametrize("times", [{"starts": "never"}, {"starts": "1 x y"}, {"ends": "1 2026/13/01 00:00:00"}])
def test_a_time_that_is_none_is_malformed(times: dict[str, str]) -> None:
    parsed = IscLeases().parse(lease(**times))
    assert isinstance(parsed, Skip)
    assert parsed.malformed


def test_an_abandoned_address_is_no_lease() -> None:
    text = "lease 10.77.1.9 {\n  starts 1 2026/11/23 09:47:33;\n  abandoned;\n  binding state abandoned;\n}"
    assert actions(text.encode()) == ["the end of a lease that was not known"]


def test_what_stands_in_a_nested_block_is_not_of_the_lease() -> None:
    more = '  on expiry {\n    binding state free;\n    execute ("/bin/x", "}\\"{;");\n  }\n'
    assert event(lease(more=more)).action == "assigned"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"\001\002\000\000\000\000D", "01:02:00:00:00:00:44"),
        (r"a\"b\\", "61:22:62:5c"),
        (r"\777\8", "5c:37:37:37:5c:38"),  # no octets: as they stand
        (r"\1x", "01:78"),
    ],
)
def test_identifiers_in_octal_are_octets_and_invalid_octal_stays(written: str, read: str) -> None:
    assert event(lease(more=f'  uid "{written}";\n')).client_id == read


def test_a_vendor_class_forges_nothing(samples: Path) -> None:
    forged = r"x\"; binding state free; }\012}\012lease 1.2.3.4 {\012"
    found = event(lease(more=f'  set vendor-class-identifier = "{forged}";\n'))
    assert (str(found.ip), found.action.value) == ("10.77.1.0", "assigned")
    assert found.vendor_class == 'x"; binding state free; }\\n}\\nlease 1.2.3.4 {\\n'
    real = [e for e in events((samples / "dhcpd.leases").read_bytes()) if e.vendor_class and "fake" in e.vendor_class]
    assert [str(e.ip) for e in real] == ["10.77.1.2"]


def test_other_hardware_has_no_mac() -> None:
    assert IscLeases().parse(lease(hardware="token-ring 02:00:00:00:00:01")) == NO_MAC


def test_renewed_before_its_end_and_assigned_after_it() -> None:
    later = lease(starts="1 2026/11/23 09:49:00", ends="1 2026/11/23 09:51:00")
    too_late = lease(starts="1 2026/11/23 09:51:01", ends="1 2026/11/23 09:53:00")
    assert actions(lease(), later, too_late) == ["assigned", "renewed", "assigned"]


def test_an_address_that_another_machine_gets_is_assigned() -> None:
    other = lease(hardware="ethernet 02:00:00:00:00:02")
    assert actions(lease(), other) == ["assigned", "assigned"]


def test_a_release_ends_early_and_an_expiry_in_its_time() -> None:
    assert actions(lease(), lease(state="free", ends="1 2026/11/23 09:48:00"))[-1] == "released"
    assert actions(lease(), lease(state="free"))[-1] == "expired"
    assert actions(lease(), lease(state="released"))[-1] == "released"


def test_what_is_no_lease_is_skipped() -> None:
    assert [IscLeases().parse(r) for r in (b"", b"# x", b'server-duid "x";', b'failover peer "x" state {\n}')] == [
        NOT_A_LEASE
    ] * 4


def test_state_survives_being_kept_and_a_foreign_one_is_refused() -> None:
    first, second = IscLeases(), IscLeases()
    first.parse(lease())
    second.restore(first.state())
    assert second.parse(lease()) == KNOWN
    with pytest.raises(ValueError, match="validation error"):
        second.restore({"clients": []})


@given(cuts=st.lists(st.integers(0, 10**6), max_size=8), data=st.data())
def test_blocks_do_not_depend_on_where_chunks_are_cut(cuts: list[int], data: Any) -> None:
    text = b"# head\n" + lease() + b"\n" + lease(state="free") + b"\nserver-duid;\n" + lease() + b"\n"
    places = sorted({0, len(text), *(cut % len(text) for cut in cuts)})
    splitter = Blocks(0)
    got = [r for a, b in pairwise(places) for r in splitter.feed(text[a:b])]
    assert got == Blocks(0).feed(text)
    assert [r.data for r in got] == [b"# head", lease(), lease(state="free"), b"server-duid;", lease()]
    assert got[-1].end == len(text)


def test_a_block_that_its_server_never_ended_is_damaged_and_the_next_is_whole() -> None:
    records = Blocks(0).feed(b"lease 1.2.3.4 {\n  starts 1\n" + lease() + b"\n")
    assert [(r.damage, r.data[:15]) for r in records] == [
        ("its block never ended", b"lease 1.2.3.4 {"),
        (None, b"lease 10.77.1.0"),
    ]


def test_a_block_without_end_holds_no_more_than_64_kib_and_is_damaged() -> None:
    splitter = Blocks(0)
    splitter.feed(b"lease 1.2.3.4 {\n")
    for _ in range(1000):
        splitter.feed(b"  x;\n" * 200)
        assert sum(map(len, splitter._open)) <= 64 * 1024
    (record,) = splitter.feed(b"}\n")
    assert record.damage == "longer than 65536 bytes"


def test_what_is_left_of_a_block_in_a_rotated_file_is_damaged_once() -> None:
    splitter = Blocks(0)
    splitter.feed(b"lease 1.2.3.4 {\n  sta")
    record = splitter.cut()
    assert record is not None
    assert (record.damage, record.end) == ("its block never ended", 21)
    assert splitter.cut() is None


@given(body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_block_is_skipped_or_read_and_never_an_error(body: bytes) -> None:
    IscLeases().parse(b"lease 10.77.1.0 {\n" + body + b"\n}")
    IscLeases().parse(b"ia-na " + body + b"\n}")
    IscLeases().parse(lease(more="") + body)


def test_every_byte_of_a_real_file_cut_and_gone_on_gives_the_same_events(samples: Path, log_file: Path) -> None:
    text = (samples / "dhcpd.leases").read_bytes()[:1400]
    expected = events(text)
    for cut in range(len(text) + 1):  # to the last byte of the first two records
        first = IscLeases()
        splitter = Blocks(0)
        records = splitter.feed(text[:cut])
        got = [e for r in records if not isinstance(e := first.parse(r.data), Skip)]
        second, place = IscLeases(), records[-1].end if records else 0
        second.restore(first.state())
        assert got + events_from(text, place, second) == expected, cut


def events_from(text: bytes, place: int, source: IscLeases) -> list[LeaseEvent]:
    parsed = [source.parse(r.data) for r in Blocks(place).feed(text[place:])]
    return [e for e in parsed if not isinstance(e, Skip)]


OLD = b"""lease 10.77.1.%d {
\tstarts 2 2002/03/05 12:00:00%b;
\tends 2 2002/03/05 13:00:00%b;
\thardware ethernet 02:00:00:00:00:0A;
\tuid 01:02:00:00:00:00:0a;
\tclient-hostname "old";
%b}"""


@pytest.mark.parametrize("zone", [b"", b" UTC"], ids=["dhcpd 2", "OpenBSD"])
def test_a_declaration_without_a_binding_state_is_a_lease_for_as_long_as_it_lasts(zone: bytes) -> None:
    found = event(OLD % (1, zone, zone, b""))
    assert (found.run_id, found.hostname) == ("02-00-00-00-00-0a-1015329600", "old")
    assert found.ends == datetime(2002, 3, 5, 13, tzinfo=UTC)


def test_an_address_that_is_abandoned_without_a_binding_state_is_no_lease() -> None:
    abandoned = OLD % (1, b"", b"", b"\tabandoned;\n")
    assert actions(abandoned) == ["the end of a lease that was not known"]
    assert actions(OLD % (1, b"", b"", b""), abandoned) == ["assigned", "expired"]


def without(name: str, record: bytes) -> bytes:
    return b"\n".join(line for line in record.split(b"\n") if name.encode() not in line)


def test_without_starts_the_last_transaction_names_the_lease() -> None:
    assert event(without("starts", lease())).run_id == event(lease()).run_id


def test_without_starts_and_cltt_the_end_names_the_lease_and_a_renewal_keeps_that_name() -> None:
    bare = without("cltt", without("starts", lease()))
    later = without("cltt", without("starts", lease(ends="1 2026/11/23 10:49:33")))
    other = without("cltt", without("starts", lease(hardware="ethernet 02:00:00:00:00:02")))
    source = IscLeases()
    found = [source.parse(record) for record in (bare, later, bare, other, lease(state="free"), bare)]
    assert [getattr(one, "action", "") for one in found] == [
        *("assigned", "renewed", "renewed", "assigned", "expired", "assigned")
    ]
    assert {one.run_id for one in found[:3] if isinstance(one, LeaseEvent)} == {"02-00-00-00-00-01-1795427373"}


def test_a_lease_that_nothing_dates_says_why_it_is_malformed() -> None:
    parsed = IscLeases().parse(without("cltt", without("starts", lease(ends="never"))))
    assert isinstance(parsed, Skip)
    assert parsed.malformed
    assert "without starts, cltt or an end" in parsed.reason


def test_a_lease_that_is_read_in_one_go_gives_what_its_statements_give(
    samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quick way reads what is written as usual; every mutation of that must mean the same both ways."""
    chance = random.Random(7)  # noqa: S311 - the same mutations in every run
    real = [record.data for record in Blocks(0).feed((samples / "dhcpd.leases").read_bytes())]
    records = [_mutated(chance, real).data for _ in range(6000)] + real
    quick = [IscLeases().parse(record) for record in records]
    assert sum(plain(record) is not None for record in records) > 500
    monkeypatch.setattr("dhcp_tailer.sources.isc_syntax.plain", lambda _: None)
    assert [IscLeases().parse(record) for record in records] == quick


@given(cuts=st.lists(st.integers(0, 6000), max_size=20))
def test_blocks_in_one_chunk_are_those_of_line_by_line(cuts: list[int]) -> None:
    text = lease() + b"\n# comment\nlease 10.0.0.1 {\n" + lease() + b"\n\n" + lease(more="}\n") + b"\n" + lease()
    text = (text + b"\nx" * 3 + b"\n") * 4
    whole, parts = Blocks(0), Blocks(0)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    found = [record for a, b in pairwise(places) for record in parts.feed(text[a:b])]
    by_line = [record for line in text.splitlines(keepends=True) for record in whole.feed(line)]
    assert found == by_line


def test_a_body_without_a_word_is_no_error() -> None:
    assert isinstance(IscLeases().parse(b'ia-na "xxxx" {\n  iaaddr fd00::1 { { } }\n  { }\n}'), Skip)
