"""What DHCP servers write, in any number."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

_START = datetime(2026, 11, 23, 9, tzinfo=UTC)
_START_S = int(_START.timestamp())
_MACHINES = 50_000  # come again and again: memory of clients is used as it would be


def _mac(number: int) -> str:
    n = number % _MACHINES
    return f"02:00:00:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}"


def _ip(number: int) -> str:
    n = number % _MACHINES
    return f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"


def dnsmasq_log(number: int) -> str:
    """Four lines, as without log-dhcp."""
    head = f"Nov 23 {_clock(number)} dnsmasq-dhcp[9610]: "
    mac, ip = _mac(number), _ip(number)
    return (
        f"{head}DHCPDISCOVER(br0) {mac} \n{head}DHCPOFFER(br0) {ip} {mac} \n"
        f"{head}DHCPREQUEST(br0) {ip} {mac} \n{head}DHCPACK(br0) {ip} {mac} host{number}\n"
    )


def isc_log(number: int) -> str:
    """Four lines of syslog."""
    head = f"Nov 23 {_clock(number)} vm dhcpd[14195]: "
    mac, ip = _mac(number), _ip(number)
    return (
        f"{head}DHCPDISCOVER from {mac} via br0\n{head}DHCPOFFER on {ip} to {mac} (host{number}) via br0\n"
        f"{head}DHCPREQUEST for {ip} (10.77.0.1) from {mac} (host{number}) via br0\n"
        f"{head}DHCPACK on {ip} to {mac} (host{number}) via br0\n"
    )


def kea_log(number: int) -> str:
    """Two lines at the INFO level."""
    head = f"2026-11-23 {_clock(number)}.929 INFO  [kea-dhcp4.leases/14495.140319771460096] "
    client = f"[hwtype=1 {_mac(number)}], cid=[01:{_mac(number)}], tid=0x90436612: lease {_ip(number)}"
    return (
        f"{head}DHCP4_LEASE_ADVERT {client} will be advertised\n"
        f"{head}DHCP4_LEASE_ALLOC {client} has been allocated for 40 seconds\n"
    )


def kea_csv(number: int) -> str:
    """One row; the header comes with the first."""
    names = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"
    mac, expire = _mac(number), _START_S + number // 1000 + 40
    row = f"{_ip(number)},{mac},01:{mac},40,{expire},1,0,0,host{number},0,\n"
    return row if number else names + row


def isc_leases(number: int) -> str:
    """One declaration."""
    starts = _START + timedelta(seconds=number // 1000)
    ends = starts + timedelta(seconds=120)
    return (
        f"lease {_ip(number)} {{\n  starts 1 {starts:%Y/%m/%d %H:%M:%S};\n  ends 1 {ends:%Y/%m/%d %H:%M:%S};\n"
        f"  cltt 1 {starts:%Y/%m/%d %H:%M:%S};\n  binding state active;\n  next binding state free;\n"
        f"  rewind binding state free;\n  hardware ethernet {_mac(number)};\n"
        f'  uid "\\001\\002";\n  set vendor-class-identifier = "iDRAC";\n  client-hostname "host{number}";\n}}\n'
    )


def jsonl(number: int) -> str:
    """One line of a hook."""
    return (
        f'{{"event_type": "add", "timestamp": {_START_S + number // 1000}, "data": {{"ip": "{_ip(number)}", '
        f'"mac": "{_mac(number)}", "hostname": "host{number}", "vendor_class": "iDRAC", "lease_time": 120}}}}\n'
    )


def noise(number: int) -> str:
    """Four lines of a log that dnsmasq shares with other programs, none of them about a lease."""
    clock = f"Nov 23 {_clock(number)}"
    return (
        f"{clock} vm sshd[14195]: Connection closed by {_ip(number)} port 22\n"
        f"{clock} vm dnsmasq[9610]: query[A] host{number}.example.com from {_ip(number)}\n"
        f"{clock} vm CRON[20411]: (root) CMD (run-parts /etc/cron.hourly)\n"
        f"{clock} dnsmasq-dhcp[9610]: 3725161531 sent size:  4 option: 54 server-identifier  10.77.0.1\n"
    )


def _clock(number: int) -> str:
    return f"{_START + timedelta(seconds=number // 1000 % 36_000):%H:%M:%S}"


NOISE = "noise"  # no source, but what the parser of dnsmasq's log is to drop quickly
SERVERS: dict[str, Callable[[int], str]] = {
    "dnsmasq-log": dnsmasq_log,
    "isc-log": isc_log,
    "kea-log": kea_log,
    "kea-csv": kea_csv,
    "isc-leases": isc_leases,
    "jsonl": jsonl,
    NOISE: noise,
}


def records(source: str, leases: int, first: int = 0) -> Iterator[bytes]:
    """What the server of ``source`` writes for so many leases, from the one with the number ``first`` on."""
    write = SERVERS[source]
    return (write(number).encode() for number in range(first, first + leases))
