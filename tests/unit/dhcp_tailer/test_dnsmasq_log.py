"""dnsmasq's log."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bringup.model import LeaseAction
from dhcp_tailer.sources.dnsmasq_log import DnsmasqLog
from dhcp_tailer.sources.lease_history import Clients, Transactions
from dhcp_tailer.sources.parser import Skip

New = Callable[[], DnsmasqLog]
MAC = "02:00:00:00:00:01"
PREFIX = b"Nov 23 09:45:08 dnsmasq-dhcp[9610]: "
ACK = PREFIX + b"DHCPACK(br0) 10.77.4.16 02:00:00:00:00:01 "
DISCOVER = PREFIX + b"DHCPDISCOVER(br0) 02:00:00:00:00:01 "
REQUEST = PREFIX + b"DHCPREQUEST(br0) 10.77.4.16 02:00:00:00:00:01 "
INFORM = PREFIX + b"DHCPINFORM(br0) 10.77.4.16 02:00:00:00:00:01 "
RELEASE = PREFIX + b"DHCPRELEASE(br0) 10.77.4.16 02:00:00:00:00:01 "


def actions(source: DnsmasqLog, *lines: bytes) -> list[str]:
    return [p.reason if isinstance(p, Skip) else p.action.value for p in map(source.parse, lines)]


def test_a_real_log_gives_exactly_its_leases(dnsmasq: New, events_of: Any, samples: Path) -> None:
    text = (samples / "dnsmasq-plain.log.1").read_bytes() + (samples / "dnsmasq-plain.log").read_bytes()
    assert [(e.action.value, e.run_id, str(e.ip), e.hostname) for e in events_of(dnsmasq(), text)] == [
        ("assigned", "02-00-00-00-00-01-1795427097", "10.77.4.16", "idrac-7XK2M13"),
        ("assigned", "02-00-00-00-00-01-1795427098", "10.77.4.16", "idrac-7XK2M13"),
        ("renewed", "02-00-00-00-00-01-1795427099", "10.77.4.16", "idrac-7XK2M13"),
        ("released", "02-00-00-00-00-01-1795427101", "10.77.4.16", None),
        ("assigned", "02-00-00-00-00-02-1795427102", "10.88.0.141", "bmc-r12u07"),
        ("assigned", "02-00-00-00-00-44-1795427107", "10.77.4.83", None),
        ("assigned", "02-00-00-00-00-55-1795427108", "10.77.4.100", "a"),
        ("assigned", "02-00-00-00-00-01-1795427108", "10.77.4.16", None),
        ("assigned", "02-00-00-00-00-01-1795427108", "10.77.4.16", None),
        ("assigned", "52-54-00-00-0a-01-1795433288", "10.77.3.26", "val-525400000a01"),
    ]


def test_a_real_log_with_log_dhcp_shows_vendor_class_name_and_circuit(
    dnsmasq: New, events_of: Any, samples: Path
) -> None:
    events = events_of(dnsmasq(), (samples / "dnsmasq-logdhcp.log").read_bytes())
    assert [(e.action.value, e.run_id[12:], e.hostname, e.vendor_class, e.circuit_id) for e in events] == [
        ("assigned", "00-01-1795426896", "idrac-7XK2M13", "iDRAC", None),
        ("assigned", "00-01-1795426897", "idrac-7XK2M13", "iDRAC", None),
        ("renewed", "00-01-1795426898", "idrac-7XK2M13", "iDRAC", None),
        ("released", "00-01-1795426900", None, None, None),
        ("assigned", "00-44-1795426906", None, None, None),
        ("assigned", "00-55-1795426906", "a", 'x"; DHCPACK(br0) 1.2.3.4fake', None),
        ("assigned", "00-02-1795426930", "bmc-r12u07", "HPE iLO 5", "rd"),
        ("assigned", "00-01-1795426954", "idrac-7XK2M13", "iDRAC", None),
        ("assigned", "02-01-1795427065", "val-525400000201", "bringup-validate", None),
        ("assigned", "02-01-1795427073", "val-525400000201", "bringup-validate", None),
    ]


def test_a_real_pxe_boot_gives_one_lease_for_the_loader_and_one_for_the_system(
    dnsmasq: New, events_of: Any, samples: Path
) -> None:
    events = events_of(dnsmasq(), (samples / "dnsmasq-pxe.log").read_bytes())
    assert [(e.action.value, e.vendor_class) for e in events] == [
        ("assigned", "PXEClient:Arch:00000:UNDI:002001"),
        ("assigned", "bringup-validate"),
    ]


def test_the_log_of_another_server_holds_no_lease_of_dnsmasq(dnsmasq: New, samples: Path) -> None:
    lines = (samples / "dhcpd-syslog-traditional.log").read_bytes().splitlines()
    assert {dnsmasq().parse(line) for line in lines} == {Skip("not a lease")}


@pytest.mark.parametrize(
    "header",
    [
        b"Nov 23 09:41:36 dnsmasq-dhcp[12]: ",
        b"Nov 23 09:41:36 vm dnsmasq-dhcp[12]: ",
        b"Nov 23 09:41:36 2001:db8::1 dnsmasq-dhcp[12]: ",
        b"2026-11-23T09:41:36.123456+00:00 host dnsmasq-dhcp[12]: ",
        b"2026-11-23T10:41:36+01:00 host dnsmasq-dhcp[12]: ",
        b"2026-11-23T09:41:36Z dnsmasq-dhcp[12]: 3725161531 ",
    ],
)
def test_every_way_to_log_gives_the_same_run(dnsmasq: New, header: bytes) -> None:
    event = dnsmasq().parse(header + b"DHCPACK(br0) 10.77.4.16 02:00:00:00:00:01 name")
    assert not isinstance(event, Skip)
    assert event.run_id == "02-00-00-00-00-01-1795426896"


def test_an_ack_for_an_unknown_client_is_assigned(dnsmasq: New) -> None:
    assert actions(dnsmasq(), ACK) == ["assigned"]


def test_an_ack_without_discover_for_a_known_lease_is_renewed(dnsmasq: New) -> None:
    assert actions(dnsmasq(), ACK, REQUEST, ACK)[-1] == "renewed"


def test_an_ack_after_a_discover_is_assigned(dnsmasq: New) -> None:
    assert actions(dnsmasq(), ACK, DISCOVER, REQUEST, ACK)[-1] == "assigned"


def test_an_ack_for_another_address_is_assigned(dnsmasq: New) -> None:
    assert actions(dnsmasq(), ACK, ACK.replace(b"4.16", b"4.17"))[-1] == "assigned"


def test_the_same_ack_line_again_is_the_same_run(dnsmasq: New, events_of: Any) -> None:
    first, second = events_of(dnsmasq(), ACK + b"\n" + DISCOVER + b"\n" + ACK)
    assert first.run_id == second.run_id


def test_a_lease_after_a_release_is_assigned(dnsmasq: New) -> None:
    assert actions(dnsmasq(), ACK, RELEASE, REQUEST, ACK) == ["assigned", "released", "not a lease", "assigned"]


def test_a_release_of_an_unknown_lease_is_none(dnsmasq: New) -> None:
    assert actions(dnsmasq(), RELEASE + b"unknown lease") == ["a DHCPRELEASE that had no effect"]


def test_an_ack_that_answers_an_inform_is_no_lease(dnsmasq: New) -> None:
    assert actions(dnsmasq(), INFORM, ACK)[-1] == "answers a DHCPINFORM"


@pytest.mark.parametrize("between", [[REQUEST], [DISCOVER], [DISCOVER, REQUEST]])
def test_an_inform_without_answer_does_not_hide_the_next_lease(dnsmasq: New, between: list[bytes]) -> None:
    assert actions(dnsmasq(), INFORM, *between, ACK)[-1] == "assigned"


def test_an_ignored_inform_does_not_hide_the_next_lease(dnsmasq: New) -> None:
    assert actions(dnsmasq(), INFORM + b"ignored", ACK)[-1] == "assigned"


@pytest.mark.parametrize(
    "text",
    [
        b'x"; DHCPACK(br0) 1.2.3.4',
        b"DHCPACK(br0) 1.2.3.4 02:00:00:00:00:66 ",
        b"1 DHCPACK(br0) 1.2.3.4 02:00:00:00:00:66 ",
        b"Nov 23 09:45:08 dnsmasq-dhcp[9610]: DHCPACK(br0) 1.2.3.4 02:00:00:00:00:66 ",
        b"\rNov 23 09:45:08 dnsmasq-dhcp[9610]: DHCPACK(br0) 1.2.3.4 02:00:00:00:00:66 ",
    ],
)
@pytest.mark.parametrize(
    "line", [b"7 vendor class: %s", b"7 client provides name: %s", b"7 user class: %s", b"vendor class: %s"]
)
def test_what_a_client_writes_into_a_line_forges_no_lease(dnsmasq: New, line: bytes, text: bytes) -> None:
    source = dnsmasq()
    assert isinstance(source.parse(PREFIX + line.replace(b"%s", text)), Skip)
    assert not source._clients.rows()


@pytest.mark.parametrize(
    "line",
    [
        b"Nov 23 09:45:08 vm sshd[1]: dnsmasq-dhcp[9610]: DHCPACK(br0) 10.77.4.16 02:00:00:00:00:01 ",
        b"Nov 23 09:45:08 dnsmasq[1]: dnsmasq-dhcp[9610]: DHCPACK(br0) 10.77.4.16 02:00:00:00:00:01 ",
        b"Nov 23 09:45:08 kernel: dnsmasq-dhcp[9610]: DHCPACK(br0) 10.77.4.16 02:00:00:00:00:01 ",
        b" " + ACK,
        b"dnsmasq-dhcp[9610]: DHCPACK(br0) 10.77.4.16 02:00:00:00:00:01 ",
        PREFIX + b"DHCPACK(br0) 10.77.4.16 06-00:02:00:00:00:00:00:01 ",
        PREFIX + b"DHCPACK(br0) 02:00:00:00:00:01 ",
        PREFIX + b"DHCPACK(br0) 999.1.1.1 02:00:00:00:00:01 ",
        PREFIX + b"DHCPACK(br0) 10.77.4.16 02:00:00:00:00:01 two words",
        PREFIX.replace(b"Nov 23", b"Nov 31") + b"DHCPACK(br0) 10.77.4.16 02:00:00:00:00:01 ",
        PREFIX.replace(b"Nov", b"Foo") + b"DHCPACK(br0) 10.77.4.16 02:00:00:00:00:01 ",
    ],
)
def test_a_lease_that_cannot_be_read_is_malformed_and_not_silent(dnsmasq: New, line: bytes) -> None:
    parsed = dnsmasq().parse(line)
    assert isinstance(parsed, Skip)
    assert parsed.malformed


@given(line=st.binary(max_size=300) | st.binary(max_size=100).map(lambda tail: PREFIX + tail))
def test_any_bytes_are_skipped_or_read_and_never_an_error(line: bytes) -> None:
    source = DnsmasqLog()
    parsed = source.parse(line)
    assert isinstance(parsed, Skip) or b"DHCP" in line


@given(name=st.binary(max_size=80).filter(lambda b: b"\n" not in b))
def test_no_host_name_makes_another_lease_of_an_ack(name: bytes) -> None:
    parsed = DnsmasqLog().parse(ACK + name)
    assert isinstance(parsed, Skip) or (parsed.mac == MAC and str(parsed.ip) == "10.77.4.16")


def test_invalid_utf8_of_a_client_is_escaped(dnsmasq: New) -> None:
    source = dnsmasq()
    source.parse(PREFIX + b"7 vendor class: \xff\x1b[2J")
    source.parse(PREFIX + b"7 DHCPREQUEST(br0) 10.77.4.16 02:00:00:00:00:01 ")
    event = source.parse(PREFIX + b"7 DHCPACK(br0) 10.77.4.16 02:00:00:00:00:01 \xfe")
    assert not isinstance(event, Skip)
    assert (event.hostname, event.vendor_class) == ("\\xfe", "\\xff\\x1b[2J")


def test_a_client_cannot_put_its_words_into_the_transaction_of_another(dnsmasq: New) -> None:
    source = dnsmasq()
    for line in (
        b"7 vendor class: victim",
        b"7 DHCPDISCOVER(br0) 02:00:00:00:00:01 ",
        b"7 vendor class: evil",
        b"7 DHCPDISCOVER(br0) 02:00:00:00:00:66 ",
        b"7 DHCPOFFER(br0) 10.77.4.20 02:00:00:00:00:66 ",
        b"7 sent size:  4 option: 82 agent-id  01:02:72:64",
        b"7 DHCPREQUEST(br0) 10.77.4.16 02:00:00:00:00:01 ",
    ):
        source.parse(PREFIX + line)
    event = source.parse(PREFIX + b"7 DHCPACK(br0) 10.77.4.16 02:00:00:00:00:01 ")
    assert not isinstance(event, Skip)
    assert (event.vendor_class, event.circuit_id) == (None, None)


def test_a_transaction_of_one_client_says_nothing_of_the_lease_of_another(dnsmasq: New) -> None:
    source = dnsmasq()
    source.parse(PREFIX + b"7 vendor class: evil")
    source.parse(PREFIX + b"7 DHCPREQUEST(br0) 10.77.4.20 02:00:00:00:00:66 ")
    event = source.parse(PREFIX + b"7 DHCPACK(br0) 10.77.4.16 02:00:00:00:00:01 ")
    assert not isinstance(event, Skip)
    assert event.vendor_class is None


def test_the_host_name_is_the_one_that_the_client_gave(dnsmasq: New) -> None:
    source = dnsmasq()
    source.parse(PREFIX + b"7 client provides name: its-own")
    source.parse(PREFIX + b"7 DHCPREQUEST(br0) 10.77.4.16 02:00:00:00:00:01 ")
    event = source.parse(PREFIX + b"7 DHCPACK(br0) 10.77.4.16 02:00:00:00:00:01 given")
    assert not isinstance(event, Skip)
    assert event.hostname == "its-own"


def test_state_is_bounded_and_drops_the_oldest() -> None:
    clients, transactions = Clients(limit=3), Transactions(limit=3)
    for number in range(10):
        clients.acknowledged(f"02:00:00:00:00:{number:02x}", "10.0.0.1")
        transactions.vendor_class(str(number), "x")
    clients.acknowledged("02:00:00:00:00:07", "10.0.0.1")
    clients.acknowledged("02:00:00:00:00:0a", "10.0.0.1")
    assert [mac for mac, _ in clients.rows()] == [f"02:00:00:00:00:{n:02x}" for n in (9, 7, 10)]
    assert [xid for xid, _ in transactions.rows()] == ["7", "8", "9"]


def test_state_survives_being_kept(dnsmasq: New) -> None:
    first, second = dnsmasq(), dnsmasq()
    actions(first, ACK, DISCOVER.replace(b"00:01 ", b"00:02 "), INFORM, PREFIX + b"7 vendor class: x")
    second.restore(first.state())
    assert second.state() == first.state()
    assert actions(second, REQUEST, ACK)[-1] == LeaseAction.RENEWED


@pytest.mark.parametrize("state", [None, [], {"clients": []}, {"clients": [1], "transactions": []}])
def test_a_foreign_state_is_refused(dnsmasq: New, state: Any) -> None:
    with pytest.raises(ValueError, match="validation error"):
        dnsmasq().restore(state)


@pytest.mark.parametrize(
    ("now", "year"),
    [
        (datetime(2026, 11, 23, 12, tzinfo=UTC), 2026),
        (datetime(2026, 11, 22, 12, tzinfo=UTC), 2026),  # its clock runs before ours
        (datetime(2026, 11, 22, 9, tzinfo=UTC), 2025),
        (datetime(2027, 1, 1, tzinfo=UTC), 2026),
    ],
)
def test_the_year_is_the_latest_that_is_not_in_the_future(now: datetime, year: int) -> None:
    event = DnsmasqLog(now=lambda: now, zone=UTC).parse(ACK)
    assert not isinstance(event, Skip)
    assert event.starts.year == year


def test_the_new_year_is_seen_from_the_old_one() -> None:
    source = DnsmasqLog(now=lambda: datetime(2026, 12, 31, 23, 59, tzinfo=UTC), zone=UTC)
    event = source.parse(ACK.replace(b"Nov 23", b"Jan  1").replace(b"09:45", b"00:00"))
    assert not isinstance(event, Skip)
    assert event.starts.year == 2027


def test_29_february_belongs_to_a_leap_year() -> None:
    event = DnsmasqLog(now=lambda: datetime(2026, 11, 23, tzinfo=UTC), zone=UTC).parse(
        ACK.replace(b"Nov 23", b"Feb 29")
    )
    assert not isinstance(event, Skip)
    assert event.starts.year == 2024


def test_the_time_is_that_of_the_servers_zone() -> None:
    zone = timezone(timedelta(hours=2))
    event = DnsmasqLog(now=lambda: datetime(2026, 11, 23, 12, tzinfo=UTC), zone=zone).parse(ACK)
    assert not isinstance(event, Skip)
    assert event.starts == datetime(2026, 11, 23, 7, 45, 8, tzinfo=UTC)
