"""What real systems write before a message: none of it hides a lease, and what is not known is malformed."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bringup.model import LeaseEvent
from dhcp_tailer.sources.dnsmasq_log import DnsmasqLog
from dhcp_tailer.sources.isc_log import IscLog
from dhcp_tailer.sources.kea_log import KeaLog
from dhcp_tailer.sources.parser import LogParser, Skip

BODY = (
    "DHCP4_LEASE_ALLOC [hwtype=1 02:00:00:00:00:01], cid=[01:02:00:00:00:00:01], tid=0x90436612: "
    "lease 10.77.1.0 has been allocated for 40 seconds"
)
RUN = "02-00-00-00-00-01-1795432382"  # 2026-11-23 11:13:02 UTC
NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)

# What comes before the message of Kea, by where it was seen.
KEA = {
    "plain": "2026-11-23 11:13:02.929 INFO  [kea-dhcp4.leases/14495.140319771460096] ",
    "before 1.5, no thread": "2026-11-23 11:13:02.929 INFO  [kea-dhcp4.leases/812] ",
    "Debian's pattern by syslog": "Nov 23 11:13:02 vm kea-dhcp4[617]: INFO  ",
    "SONiC's container": "2026-11-23T11:13:02 INFO  ",
    "journald": "Nov 23 11:13:02 kea-el kea-dhcp4[6455]: 2026-11-23 11:13:02.856 INFO  [kea-dhcp4.leases/6455.1399] ",
    "journald, short-iso": "2026-11-23T12:13:02+0100 vm kea-dhcp4[1]: INFO  [kea-dhcp4.leases.1403] ",
    "journald, short-precise": "Nov 23 11:13:02.123456 vm kea-dhcp4[1]: INFO  [kea-dhcp4.leases.1403] ",
    "journald, short-full": "Mon 2026-11-23 11:13:02 UTC vm kea-dhcp4[1]: INFO  [kea-dhcp4.leases.1403] ",
    "FreeBSD's threads": "2026-11-23 11:13:02.929 INFO  [kea-dhcp4.leases/14495.0x8027fc000] ",
    "FreeBSD by syslog": "Nov 23 11:13:02 opnsense kea-dhcp4[14495]: INFO  [kea-dhcp4.leases.0x833e12000] ",
    "OPNsense without thread": "Nov 23 11:13:02 opnsense kea-dhcp4: INFO  [kea-dhcp4.leases] ",
    "RFC 5424": "<134>1 2026-11-23T11:13:02.929Z vm kea-dhcp4 14495 - - INFO  [kea-dhcp4.leases.1403] ",
    "RFC 5424 of OPNsense": '<190>1 2026-11-23T12:13:02+01:00 opn.local kea-dhcp4 9 - [meta sequenceId="1"] INFO  ',
    "RFC 5424 by rsyslog, with a byte order mark": "<134>1 2026-11-23T11:13:02Z vm kea-dhcp4 1 - -  \ufeffINFO  ",
    "priority": "<190>Nov 23 11:13:02 vm kea-dhcp4[1]: INFO  [kea-dhcp4.leases.0x8027fc000] ",
    "kubernetes": "2026-11-23T11:13:02.929123456Z stdout F 2026-11-23 11:13:02.929 INFO  [kea-dhcp4.leases/1.140] ",
    "docker logs -t": "2026-11-23T11:13:02.929123456Z 2026-11-23 11:13:02.929 INFO  [kea-dhcp4.leases/1.140] ",
    "docker compose": "kea-1  | 2026-11-23 11:13:02.929 INFO  [kea-dhcp4.leases/1.140] ",
    "French": "nov. 23 11:13:02 vm kea-dhcp4[617]: INFO  ",
    "Finnish": "marras 23 11:13:02 vm kea-dhcp4[617]: INFO  ",
    "Turkish": "Kas 23 11:13:02 vm kea-dhcp4[617]: INFO  ",
    "Japanese": "11月 23 11:13:02 vm kea-dhcp4[617]: INFO  ",
}


def kea(zone: Any = UTC) -> KeaLog:
    return KeaLog(now=lambda: NOW, zone=zone)


@pytest.mark.parametrize("prefix", KEA.values(), ids=KEA)
def test_every_real_beginning_of_a_line_of_kea_gives_the_same_run(prefix: str) -> None:
    event = kea().parse(f"{prefix}{BODY}".encode())
    assert isinstance(event, LeaseEvent), event
    assert (event.run_id, str(event.ip)) == (RUN, "10.77.1.0")


def test_a_line_of_kea_in_dockers_json_is_read() -> None:
    line = '{"log":"INFO  ' + BODY + '\\n","stream":"stdout","time":"2026-11-23T11:13:02.929123456Z"}'
    event = kea().parse(line.encode())
    assert isinstance(event, LeaseEvent)
    assert event.run_id == RUN


@pytest.mark.parametrize(
    ("month", "number"), [("janv.", 1), ("M\u00e4r", 3), ("ago", 8), ("wrz", 9), ("Dez", 12), ("d\u00e9c.", 12)]
)
def test_months_of_other_languages_are_read(month: str, number: int) -> None:
    event = kea().parse(f"{month}  3 11:13:02 vm kea-dhcp4[617]: INFO  {BODY}".encode())
    assert isinstance(event, LeaseEvent)
    assert (event.starts.month, event.starts.day) == (number, 3)


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "INFO  ",
        "INFO  [kea-dhcp4.leases] ",
        "Xyz 23 11:13:02 vm kea-dhcp4[617]: INFO  ",
        "lis 23 11:13:02 vm kea-dhcp4[617]: INFO  ",  # October in Croatian, November in Polish
        "99999.123 something new: ",
        "2026-13-23 11:13:02.929 INFO  ",
        '{"log":"',
    ],
)
def test_a_lease_of_kea_behind_what_is_not_known_is_malformed_and_never_silent(prefix: str) -> None:
    parsed = kea().parse(f"{prefix}{BODY}".encode())
    assert isinstance(parsed, Skip)
    assert parsed.malformed


def test_an_offer_of_kea_without_a_time_is_noted_all_the_same() -> None:
    source = kea()
    offer = BODY.replace("LEASE_ALLOC", "LEASE_OFFER")
    parsed = [source.parse(f"{KEA['plain']}{BODY}".encode()), source.parse(f"INFO  {offer}".encode())]
    assert isinstance(parsed[1], Skip)
    assert getattr(source.parse(f"{KEA['plain']}{BODY}".encode()), "action", None) == "assigned"


def test_a_time_with_a_zone_counts_before_one_without() -> None:
    line = f"2026-11-23T11:13:02.1Z stdout F 2026-11-23 20:13:02.1 INFO  {BODY}"
    event = kea(ZoneInfo("Europe/Berlin")).parse(line.encode())
    assert isinstance(event, LeaseEvent)
    assert event.run_id == RUN


def dnsmasq() -> DnsmasqLog:
    return DnsmasqLog(now=lambda: NOW, zone=UTC)


def isc() -> IscLog:
    return IscLog(now=lambda: NOW, zone=UTC)


DNSMASQ = "DHCPACK(br-lan) 10.77.1.0 02:00:00:00:00:01 host"
ISC = "DHCPACK on 10.77.1.0 to 02:00:00:00:00:01 (host) via br0"


@pytest.mark.parametrize(("make", "tag", "body"), [(dnsmasq, "dnsmasq-dhcp", DNSMASQ), (isc, "dhcpd", ISC)])
@pytest.mark.parametrize(
    "beginning",
    [
        "Nov 23 11:13:02 {}[1]: ",
        "Nov 23 11:13:02 vm {}: ",
        "<190>Nov 23 11:13:02 vm {}[1]: ",
        "<30>Nov 23 11:13:02 {}[1]: ",
        "Mon Nov 23 11:13:02 2026 daemon.info {}[1]: ",  # logread of OpenWrt
        "Mon Nov 23 11:13:02 2026 [1700.123] daemon.info {}[1]: ",  # logread -t
        "<30>1 2026-11-23T12:13:02.5+01:00 vm {} 8265 - - ",
        '<30>1 2026-11-23T11:13:02Z vm {} 8265 ID47 [a@1 b="c\\]d"][e]  ',
        "1 2026-11-23T11:13:02Z - {} - - - ",
        "2026-11-23T11:13:02.929123456Z stderr F {}[1]: ",
        "Mon 2026-11-23 11:13:02 UTC vm {}[1]: ",
    ],
)
@pytest.mark.parametrize("upper", [False, True])
def test_every_real_beginning_of_a_line_gives_the_same_run(
    make: Callable[[], LogParser], tag: str, body: str, beginning: str, *, upper: bool
) -> None:
    mac = "02:00:00:AB:CD:01" if upper else "02:00:00:ab:cd:01"
    event = make().parse((beginning.format(tag) + body.replace("02:00:00:00:00:01", mac)).encode())  # type: ignore[attr-defined]
    assert isinstance(event, LeaseEvent), event
    assert event.run_id == "02-00-00-ab-cd-01-1795432382"


def test_upper_and_lower_case_name_one_client() -> None:
    source, line = dnsmasq(), "Nov 23 11:13:02 dnsmasq-dhcp[1]: DHCPACK(br0) 10.77.1.0 02:00:00:AB:CD:01 "
    actions = [getattr(source.parse(text.encode()), "action", None) for text in (line, line.replace("AB:CD", "ab:cd"))]
    assert actions == ["assigned", "renewed"]


@given(tail=st.text(max_size=60), source=st.sampled_from([isc, dnsmasq]))
def test_no_text_of_a_client_before_a_message_forges_a_lease(tail: str, source: Callable[[], LogParser]) -> None:
    for body in (DNSMASQ, ISC):
        for tag in ("dnsmasq-dhcp", "dhcpd"):
            line = f"Nov 23 11:13:02 vm {tag}[1]: 7 vendor class: {tag}[1]: {tail} {body}".encode()
            assert isinstance(source().parse(line), Skip)  # type: ignore[attr-defined]


NIGHT = ("Oct 25 02:30:00", "Oct 25 02:59:59", "Oct 25 02:30:00", "Oct 25 03:30:00")


def test_the_hour_that_comes_twice_in_the_night_of_winter_time_gives_two_leases() -> None:
    source = DnsmasqLog(now=lambda: NOW, zone=ZoneInfo("Europe/Berlin"))
    starts = []
    for moment, number in zip(NIGHT, (1, 2, 1, 3), strict=True):
        fresh = DnsmasqLog(now=lambda: NOW, zone=ZoneInfo("Europe/Berlin"))
        fresh.restore(source.state())  # a restart between any two lines changes nothing
        source = fresh
        event = source.parse(f"{moment} dnsmasq-dhcp[1]: DHCPACK(br0) 10.0.0.{number} 02:00:00:00:00:01 ".encode())
        assert isinstance(event, LeaseEvent)
        starts.append(event.starts.strftime("%H:%M"))
    assert starts == ["00:30", "00:59", "01:30", "02:30"]


def test_lines_that_are_out_of_order_by_seconds_are_no_second_hour() -> None:
    source = IscLog(now=lambda: NOW, zone=ZoneInfo("Europe/Berlin"))
    for second in (30, 29, 59, 28):
        line = f"Oct 25 02:30:{second} vm dhcpd[1]: DHCPACK on 10.0.0.{second} to 02:00:00:00:00:01 via br0"
        event = source.parse(line.encode())
        assert isinstance(event, LeaseEvent)
        assert event.starts.hour == 0


def test_in_the_night_of_summer_time_an_hour_that_never_was_is_read_all_the_same() -> None:
    source = KeaLog(now=lambda: NOW, zone=ZoneInfo("Europe/Berlin"))
    for moment in ("01:59:59", "02:30:00", "03:00:00"):
        assert isinstance(source.parse(f"2026-03-29 {moment}.1 INFO  {BODY}".encode()), LeaseEvent)
