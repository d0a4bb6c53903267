"""Memory, processors, ports by number, serial number and the MACs on record."""

from collections.abc import Iterator

from bringup.expectation import GIB, Expectation, ExpectedDimms
from bringup.identity import serial_key
from bringup.verdict.compare import compare, compare_all, shorten
from bringup.wire.report import CheckResult, CheckStatus, HardwareInventory, MemoryModule

# Firmware and kernel keep some memory for themselves; a missing DIMM is far more than this share.
MEMORY_TOLERANCE = 0.03


def judge_hardware(found: HardwareInventory, expected: Expectation) -> Iterator[CheckResult]:
    """What is expected of the machine's main parts."""
    if expected.memory_gib is not None:
        yield _memory(found.memory.physical_mb, expected.memory_gib)
    if expected.dimms is not None:
        yield from _dimms(found.memory.modules, expected.dimms)
    if expected.cpu_count is not None:
        yield compare("CPU count", expected.cpu_count, found.cpu.count)
    if expected.nics is not None:
        yield compare("NICs", expected.nics, port_count(found))
    if expected.serial is not None:
        yield _serial(expected.serial, found.system_vendor.serial_number)


def port_count(found: HardwareInventory) -> int:
    """How many network ports there are; one that is listed twice is one."""
    return len({interface.mac_address for interface in found.interfaces})


def _serial(expected: str, observed: str) -> CheckResult:
    """In one spelling, as BMC and inventory are compared before the machine is touched."""
    same = serial_key(expected) is not None and serial_key(expected) == serial_key(observed)
    return compare("serial", expected, expected if same else observed)


def _memory(physical_mb: int, expected_gib: float) -> CheckResult:
    observed_gib = physical_mb * 1024**2 / GIB
    close = abs(observed_gib - expected_gib) <= expected_gib * MEMORY_TOLERANCE
    status = CheckStatus.PASS if close else CheckStatus.FAIL
    return CheckResult(name="memory", status=status, expected=f"{expected_gib:g} GiB", observed=f"{observed_gib:g} GiB")


def _dimms(found: tuple[MemoryModule, ...], expected: ExpectedDimms) -> Iterator[CheckResult]:
    """No module at all: the firmware has no list of them, so there is nothing to compare with."""
    if expected.count is not None:
        yield compare("DIMMs", expected.count, len(found) or None)
    if expected.speed_mts is not None:
        yield compare_all("DIMM speed", expected.speed_mts, [(m.slot or "a module", m.speed_mts) for m in found])


def judge_identity(found: HardwareInventory, macs: frozenset[str]) -> CheckResult:
    """The host ports on record, each of which the report must show: the report of another machine passes none."""
    if not macs:
        return CheckResult(name="identity", status=CheckStatus.WARN, expected="nic_macs on record", observed="none")
    reported = {interface.mac_address for interface in found.interfaces}
    missing = sorted(macs - reported)
    shown = shorten(", ".join(sorted(reported)) or "no interface")
    return CheckResult(
        name="identity",
        status=CheckStatus.FAIL if missing else CheckStatus.PASS,
        expected="all of " + ", ".join(sorted(macs)),
        observed=f"{shown} (missing: {', '.join(missing)})" if missing else shown,
    )
