"""Whether all the memory is there, the network ports work, and the hardware has reported no errors of its own.

Source: Linux Documentation/admin-guide/ras.rst (EDAC counters); UEFI 2.10 appendix N.2.1 (error severity).
"""

import re
from pathlib import Path
from typing import Any

from agent import kernel, text
from agent.checks.result import CheckResult, fail, ok, skip, warn, worst
from agent.text import read_number

# Of the memory that is in the slots, what the kernel may lack. It keeps 1.6 % for its page frames; firmware and kernel
# keep some more whatever the size, which on a machine of 192 MiB is a fifth of it. A module that was disabled in
# training is 12 % of a full board of eight.
_FIXED_MB = 96
_USUAL_SHARE = 0.03
_MAX_SHARE = 0.06
_EDAC = "sys/devices/system/edac/mc"
_HARDWARE_ERROR = "[Hardware Error]"
# A line with "mce:" and without that mark only announces the driver ("mce: CPU supports 32 MCE banks"), unless it
# holds one of these.
_MCE = re.compile(r"\bmce: .*(uncorrected|fatal|memory failure|machine check:)", re.IGNORECASE)
_SEVERE = re.compile(r"uncorrect|fatal|panic|severity: recoverable|poison", re.IGNORECASE)
# Lines of the log that a result quotes.
_MAX_LINES = 3
# Counters of /sys/class/net/*/statistics that a good cable and port leave at 0.
_COUNTERS = ("rx_errors", "tx_errors", "rx_crc_errors", "rx_frame_errors", "tx_carrier_errors")


def check_memory(memory: dict[str, Any]) -> CheckResult:
    """Whether the kernel has the memory that is in the slots.

    Args:
        memory: the inventory's part.
    """
    total_mb, physical_mb = memory["total"] // 1024**2, memory["physical_mb"]
    if not total_mb:
        return fail("the kernel reports no memory size")
    if not memory.get("modules"):
        return skip(f"no SMBIOS list of modules to compare the kernel's {total_mb} MiB with")
    seen = f"the kernel has {total_mb} MiB of the {physical_mb} MiB in {len(memory['modules'])} modules"
    missing_mb = physical_mb - total_mb
    if missing_mb < 0:
        return warn(f"{seen}: the firmware's list is not complete")
    if missing_mb > _FIXED_MB + physical_mb * _MAX_SHARE:
        return fail(f"{seen}: {missing_mb} MiB are missing (a disabled module, mirroring, or a memmap limit)")
    if missing_mb > _FIXED_MB + physical_mb * _USUAL_SHARE:
        return warn(f"{seen}: {missing_mb} MiB are kept by the firmware, more than usual")
    return ok(seen)


def check_machine_checks(root: Path) -> CheckResult:
    """Whether the memory controllers have counted errors, or the kernel's log holds any."""
    results = [result for result in (_edac(root), _log(root)) if result is not None]
    if not results:
        return skip("there is neither an EDAC driver nor a kernel log")
    return worst(results)


def _edac(root: Path) -> CheckResult | None:
    """Uncorrected errors are a fault; corrected ones announce it. None without a driver."""
    controllers = [name for name in text.names(root / _EDAC) if re.fullmatch("mc[0-9]+", name)]
    if not controllers:
        return None
    uncorrected = sum(text.read_number(root / _EDAC / name / "ue_count") or 0 for name in controllers)
    corrected = sum(text.read_number(root / _EDAC / name / "ce_count") or 0 for name in controllers)
    detail = f"EDAC: {uncorrected} uncorrected, {corrected} corrected on {len(controllers)} controllers"
    if uncorrected:
        return fail(detail)
    return warn(detail) if corrected else ok(detail)


def _log(root: Path) -> CheckResult | None:
    lines = kernel.log_lines(root)
    if not lines:
        return None
    errors = [line for line in lines if _HARDWARE_ERROR in line or _MCE.search(line)]
    if not errors:
        return ok("no hardware error in the kernel's log")
    severe = [line for line in errors if _SEVERE.search(line)]
    shown = " | ".join((severe or errors)[:_MAX_LINES])
    return fail(f"kernel: {shown}") if severe else warn(f"kernel: {shown}")


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
