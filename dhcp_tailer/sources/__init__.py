"""The sources of leases: a parser for each, by its name in ``DHCP_SOURCE``."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from dhcp_tailer.sources import dnsmasq_leases, dnsmasq_log, isc_leases, isc_log, jsonl, kea_csv, kea_log, parser

PARSERS: Mapping[str, Callable[[], parser.Parser]] = MappingProxyType(
    {
        "dnsmasq-log": dnsmasq_log.DnsmasqLog,
        "dnsmasq-leases": dnsmasq_leases.DnsmasqLeases,
        "isc-leases": isc_leases.IscLeases,
        "isc-log": isc_log.IscLog,
        "kea-csv": kea_csv.KeaCsv,
        "kea-log": kea_log.KeaLog,
        "jsonl": jsonl.JsonLines,
    }
)
