"""The logs of ISC dhcpd and Kea, and DHCPv6 in that of dnsmasq."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bringup.model import LeaseEvent
from dhcp_tailer.sources.dnsmasq_log import DnsmasqLog
from dhcp_tailer.sources.isc_log import IscLog
from dhcp_tailer.sources.kea_log import KeaLog
from dhcp_tailer.sources.parser import NO_MAC, Skip

Parser = IscLog | KeaLog | DnsmasqLog
ISC = b"Nov 23 09:51:22 vm dhcpd[14195]: "
KEA = b"2026-11-23 11:13:02.929 INFO  [kea-dhcp4.leases/14495.140319771460096] "
CLIENT = b"[hwtype=1 02:00:00:00:00:01], cid=[01:02:00:00:00:00:01], tid=0x90436612: "
ALLOC = KEA + b"DHCP4_LEASE_ALLOC " + CLIENT + b"lease 10.77.1.0 has been allocated for 40 seconds"
OFFER = KEA + b"DHCP4_LEASE_ADVERT " + CLIENT + b"lease 10.77.1.0 will be advertised"
ACK = ISC + b"DHCPACK on 10.77.1.0 to 02:00:00:00:00:01 (name) via br0"


def now() -> datetime:
    return datetime(2026, 11, 23, 14, tzinfo=UTC)


@pytest.fixture
def isc() -> Callable[[], IscLog]:
    return lambda: IscLog(now=now, zone=UTC)


@pytest.fixture
def kea() -> Callable[[], KeaLog]:
    return lambda: KeaLog(now=now, zone=UTC)


def events(source: Parser, text: bytes) -> list[tuple[str, str, str]]:
    parsed = [source.parse(line) for line in text.splitlines()]
    return [(e.action.value, e.run_id[12:], str(e.ip)) for e in parsed if isinstance(e, LeaseEvent)]


def actions(source: Parser, *lines: bytes) -> list[str]:
    return [p.reason if isinstance(p, Skip) else p.action.value for p in map(source.parse, lines)]


@pytest.mark.parametrize("name", ["dhcpd-syslog-traditional.log", "dhcpd-syslog-iso8601.log"])
def test_a_real_isc_log_gives_exactly_its_leases(isc: Any, samples: Path, name: str) -> None:
    assert events(isc(), (samples / name).read_bytes()) == [
        ("assigned", "00-01-1795427482", "10.77.1.0"),
        ("assigned", "00-01-1795427483", "10.77.1.0"),
        ("renewed", "00-01-1795427484", "10.77.1.0"),
        ("released", "00-01-1795427486", "10.77.1.0"),
        ("assigned", "00-02-1795427487", "10.88.0.10"),
        ("assigned", "00-44-1795427492", "10.77.1.1"),
        ("assigned", "00-55-1795427492", "10.77.1.2"),
    ]


def test_the_standard_error_of_dhcpd_has_no_times_and_its_leases_are_malformed(isc: Any, samples: Path) -> None:
    parsed = [isc().parse(line) for line in (samples / "dhcpd-stderr.log").read_bytes().splitlines()]
    assert sum(p.malformed for p in parsed) == 7
    assert all(isinstance(p, Skip) for p in parsed)


def test_an_ack_that_answers_an_inform_is_no_lease_of_isc(isc: Any) -> None:
    assert actions(isc(), ISC + b"DHCPACK to 10.77.1.0 (02:00:00:00:00:01) via br0") == ["not a lease"]


def test_the_end_of_a_nak_is_no_lease(isc: Any) -> None:
    assert actions(isc(), ISC + b"DHCPNAK on 10.77.1.0 to 02:00:00:00:00:01 via br0") == ["not a lease"]


def test_an_isc_request_that_names_a_server_begins_a_new_lease(isc: Any) -> None:
    request = ISC + b"DHCPREQUEST for 10.77.1.0%b from 02:00:00:00:00:01 (name) via br0"
    assert actions(isc(), ACK, request % b"", ACK)[-1] == "renewed"
    assert actions(isc(), ACK, request % b" (10.77.0.1)", ACK)[-1] == "assigned"


def test_an_isc_release_of_nothing_has_no_effect(isc: Any) -> None:
    release = ISC + b"DHCPRELEASE of 10.77.1.0 from 02:00:00:00:00:01 (name) via br0 (%b)"
    assert actions(isc(), ACK, release % b"not found", ACK)[-1] == "renewed"
    assert actions(isc(), ACK, release % b"found", ACK)[1:] == ["released", "assigned"]


@pytest.mark.parametrize(
    "name",
    [b"x) via br0", b"a (b", b"x) via br0\rDHCPACK on 1.2.3.4 to 02:00:00:00:00:66 via br0", b"\xff\x1b[2J", b""],
)
def test_no_host_name_makes_another_lease_of_an_isc_ack(isc: Any, name: bytes) -> None:
    event = isc().parse(ACK.replace(b"(name)", b"(" + name + b")"))
    assert isinstance(event, LeaseEvent)
    assert (event.mac, str(event.ip)) == ("02:00:00:00:00:01", "10.77.1.0")
    assert event.hostname is None or event.hostname.isprintable()


@pytest.mark.parametrize(
    "body",
    [
        b"BRINGUP commit vendor=DHCPACK on 1.2.3.4 to 02:00:00:00:00:66 via br0",
        b'execute_statement argv[4] = x"; DHCPACK on 1.2.3.4 to 02:00:00:00:00:66 via br0',
        b"DHCPDISCOVER from 02:00:00:00:00:01 (DHCPACK on 1.2.3.4 to 02:00:00:00:00:66 via br0) via br0",
    ],
)
def test_what_a_client_writes_into_an_isc_log_forges_no_lease(isc: Any, body: bytes) -> None:
    assert isinstance(isc().parse(ISC + body), Skip)
    other = b"Nov 23 09:51:22 vm sshd[1]: dhcpd[1]: DHCPACK on 1.2.3.4 to 02:00:00:00:00:66 via br0"
    assert isinstance(isc().parse(other), Skip)


def test_a_dhcpv6_reply_of_isc_is_a_lease(isc: Any) -> None:
    reply = (
        b"Reply NA: address fd00:77::a3a5 to client with duid 00:03:00:01:02:00:00:00:00:77 iaid = 119 valid for 20 s"
    )
    released = b"Client 00:03:00:01:02:00:00:00:00:77 releases address fd00:77::a3a5"
    assert actions(isc(), ISC + reply, ISC + reply, ISC + released) == ["assigned", "renewed", "released"]
    assert isc().parse(ISC + reply.replace(b"00:03:00:01", b"00:02:00:01")) == NO_MAC


def test_one_machine_with_both_protocols_has_two_leases_that_do_not_disturb_each_other(isc: Any) -> None:
    reply = ISC + b"Reply NA: address fd00::1 to client with duid 0:3:0:1:2:0:0:0:0:1 iaid = 1 valid for 20 seconds"
    assert actions(isc(), ACK, reply, ACK, reply) == ["assigned", "assigned", "renewed", "renewed"]


def test_a_real_kea_log_gives_exactly_its_leases(kea: Any, samples: Path) -> None:
    assert events(kea(), (samples / "kea-dhcp4.log").read_bytes()) == [
        ("assigned", "00-01-1795432382", "10.77.1.0"),
        ("assigned", "00-01-1795432384", "10.77.1.0"),
        ("renewed", "00-01-1795432385", "10.77.1.0"),
        ("renewed", "00-01-1795432386", "10.77.1.0"),
        ("released", "00-01-1795432387", "10.77.1.0"),
        ("assigned", "00-02-1795432388", "10.88.0.10"),
        ("assigned", "00-44-1795432393", "10.77.1.1"),
        ("assigned", "00-55-1795432393", "10.77.1.2"),
        ("assigned", "00-01-1795432443", "10.77.1.3"),
    ]


def test_a_real_dhcpv6_log_of_kea_gives_exactly_its_leases(kea: Any, samples: Path) -> None:
    found = events(kea(), (samples / "kea-dhcp6.log").read_bytes())
    assert [(action, run[:5]) for action, run, _ in found] == [
        ("assigned", "00-77"),
        *[("renewed", "00-77")] * 3,
        ("released", "00-77"),
        *[("assigned", mac) for mac in ("03-04", "03-05", "03-06", "03-04", "03-05")],
    ]


def test_the_packet_dumps_of_kea_hold_no_lease(kea: Any, samples: Path) -> None:
    text = (samples / "kea-dhcp4-packets-debug.log").read_bytes()
    assert {kea().parse(line) for line in text.splitlines()} == {Skip("not a lease")}


def test_after_an_offer_a_lease_of_kea_is_a_new_one(kea: Any) -> None:
    newer = OFFER.replace(b"LEASE_ADVERT", b"LEASE_OFFER").replace(b"advertised", b"offered")
    assert actions(kea(), ALLOC, ALLOC, OFFER, ALLOC)[-1] == "assigned"
    assert actions(kea(), ALLOC, ALLOC, newer, ALLOC)[-1] == "assigned"
    assert actions(kea(), ALLOC, ALLOC)[-1] == "renewed"


@pytest.mark.parametrize(
    "header",
    [
        KEA,
        b"Nov 23 11:13:02 vm kea-dhcp4[1]: INFO  [kea-dhcp4.leases.140319771460096] ",
        b"2026-11-23T12:13:02.5+01:00 vm kea-dhcp4[1]: INFO  [kea-dhcp4.leases.140319771460096] ",
    ],
)
def test_every_way_to_log_of_kea_gives_the_same_run(kea: Any, header: bytes) -> None:
    event = kea().parse(ALLOC.replace(KEA, header))
    assert isinstance(event, LeaseEvent)
    assert event.run_id == "02-00-00-00-00-01-1795432382"


@pytest.mark.parametrize(
    "line",
    [
        ALLOC.replace(b"10.77.1.0", b"999.1.1.1"),
        ALLOC.replace(b"lease 10.77.1.0", b"nothing"),
        ALLOC.replace(b"2026-11-23", b"2026-11-31"),
    ],
)
def test_a_lease_of_kea_that_cannot_be_read_is_malformed(kea: Any, line: bytes) -> None:
    parsed = kea().parse(line)
    assert isinstance(parsed, Skip)
    assert parsed.malformed


def test_other_hardware_has_no_mac_in_a_kea_log(kea: Any) -> None:
    assert kea().parse(ALLOC.replace(b"hwtype=1 ", b"hwtype=6 ")) == NO_MAC


def test_a_real_dhcpv6_log_of_dnsmasq_gives_exactly_its_leases(dnsmasq: Any, samples: Path) -> None:
    assert events(DnsmasqLog(now=now, zone=UTC), (samples / "dnsmasq6.log").read_bytes()) == [
        ("assigned", "00-77-1795441645", "fd00:77::c070"),
        ("assigned", "03-04-1795441658", "fd00:77::4f0"),
        ("assigned", "03-05-1795441658", "fd00:77::4f1"),
    ]


def test_a_dhcpv6_client_of_dnsmasq_without_an_ethernet_address_is_counted_as_such(dnsmasq: Any) -> None:
    line = b"Nov 23 13:47:25 dnsmasq-dhcp[2]: 7 DHCPREPLY(s0) fd00:77::c070 00:02:00:00:ab:11:aa:bb "
    assert dnsmasq().parse(line) == NO_MAC


@pytest.mark.parametrize("line", [ACK, ALLOC])
def test_state_survives_being_kept_and_a_foreign_one_is_refused(isc: Any, kea: Any, line: bytes) -> None:
    make = isc if line == ACK else kea
    first, second = make(), make()
    first.parse(line)
    second.restore(first.state())
    assert actions(second, line) == ["renewed"]
    with pytest.raises(ValueError, match="validation error"):
        second.restore({"leases": []})


@given(tail=st.binary(max_size=120))
def test_any_line_is_skipped_or_read_and_never_an_error(tail: bytes) -> None:
    for source, head in ((IscLog(), ISC), (IscLog(), ACK), (KeaLog(), KEA + b"DHCP4_LEASE_ALLOC "), (KeaLog(), ALLOC)):
        source.parse(tail)
        source.parse(head + tail)
