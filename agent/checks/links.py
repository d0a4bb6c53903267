"""Whether the network ports work: a carrier, an address, and no errors counted."""

from pathlib import Path
from typing import Any

from agent.checks.result import CheckResult, fail, ok, warn
from agent.text import read_number

# Counters of /sys/class/net/*/statistics that a good cable and port leave at 0.
_COUNTERS = ("rx_errors", "tx_errors", "rx_crc_errors", "rx_frame_errors", "tx_carrier_errors")


def check_links(root: Path, interfaces: list[dict[str, Any]]) -> CheckResult:
    """At least one port with a carrier and an address; no port with a carrier counts errors.

    A port without a carrier is not a fault: the expectation names the ports that must be cabled.

    Args:
        root: the folder that holds /sys.
        interfaces: the inventory's part.
    """
    detail = ", ".join(_describe(port) for port in interfaces) or "no network port"
    if not any(port["has_carrier"] and port["ipv4_address"] for port in interfaces):
        return fail(f"no port has both a carrier and an address: {detail}")
    errors = [text for port in interfaces if port["has_carrier"] for text in _errors(root, port["name"])]
    return warn(f"{', '.join(errors)}; {detail}") if errors else ok(detail)


def _describe(port: dict[str, Any]) -> str:
    if not port["has_carrier"]:
        return f"{port['name']} no carrier"
    speed = f" {port['speed_mbps']} Mb/s" if port["speed_mbps"] else ""
    return f"{port['name']} up{speed} {port['ipv4_address'] or 'no address'}"


def _errors(root: Path, port: str) -> list[str]:
    folder = root / "sys/class/net" / port / "statistics"
    counts = ((name, read_number(folder / name)) for name in _COUNTERS)
    return [f"{port} {name} {count}" for name, count in counts if count]
