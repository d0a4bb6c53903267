"""The sources of leases, by their name in ``DHCP_SOURCE``."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from dhcp_tailer.sources.dnsmasq_log import DnsmasqLog
from dhcp_tailer.sources.jsonl import JsonLines
from dhcp_tailer.sources.source import Skip, Source

SOURCES: Mapping[str, Callable[[], Source]] = MappingProxyType({"dnsmasq-log": DnsmasqLog, "jsonl": JsonLines})

__all__ = ["SOURCES", "Skip", "Source"]
