"""The sources of leases: a parser for each, by its name in ``DHCP_SOURCE``."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from dhcp_tailer.sources.dnsmasq_leases import DnsmasqLeases
from dhcp_tailer.sources.dnsmasq_log import DnsmasqLog
from dhcp_tailer.sources.isc_leases import IscLeases
from dhcp_tailer.sources.isc_log import IscLog
from dhcp_tailer.sources.jsonl import JsonLines
from dhcp_tailer.sources.kea_csv import KeaCsv
from dhcp_tailer.sources.kea_log import KeaLog
from dhcp_tailer.sources.parser import Parser, Skip, parse_record

PARSERS: Mapping[str, Callable[[], Parser]] = MappingProxyType(
    {
        "dnsmasq-log": DnsmasqLog,
        "dnsmasq-leases": DnsmasqLeases,
        "isc-leases": IscLeases,
        "isc-log": IscLog,
        "kea-csv": KeaCsv,
        "kea-log": KeaLog,
        "jsonl": JsonLines,
    }
)

__all__ = ["PARSERS", "DnsmasqLeases", "Parser", "Skip", "parse_record"]
