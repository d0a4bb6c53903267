"""Memory, processors, network ports, firmware, serial number and the MACs on record."""

from collections.abc import Iterable, Iterator

from bringup import expectation, identity
from bringup.verdict.compare import compare, compare_all, shorten
from bringup.wire.report import CheckResult, CheckStatus, Firmware, HardwareInventory, Interface, MemoryModule

# Firmware and kernel keep some memory for themselves; a missing DIMM is far more than this share.
MEMORY_TOLERANCE = 0.03


def judge_hardware(found: HardwareInventory, expected: expectation.Expectation) -> Iterator[CheckResult]:
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
    same = identity.serial_key(expected) is not None and identity.serial_key(expected) == identity.serial_key(observed)
    return compare("serial", expected, expected if same else observed)


def _memory(physical_mb: int, expected_gib: float) -> CheckResult:
    observed_gib = physical_mb * 1024**2 / expectation.GIB
    close = abs(observed_gib - expected_gib) <= expected_gib * MEMORY_TOLERANCE
    status = CheckStatus.OK if close else CheckStatus.FAIL
    return CheckResult(name="memory", status=status, expected=f"{expected_gib:g} GiB", observed=f"{observed_gib:g} GiB")


def _dimms(found: tuple[MemoryModule, ...], expected: expectation.ExpectedDimms) -> Iterator[CheckResult]:
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
        status=CheckStatus.FAIL if missing else CheckStatus.OK,
        expected="all of " + ", ".join(sorted(macs)),
        observed=f"{shown} (missing: {', '.join(missing)})" if missing else shown,
    )


def judge_ports(found: HardwareInventory, expected: Iterable[expectation.ExpectedPort]) -> Iterator[CheckResult]:
    """A port that is not there fails, and so does a speed that is expected of a port without a link."""
    by_mac = {interface.mac_address: interface for interface in found.interfaces}
    for want in expected:
        port = by_mac.get(want.mac)
        if port is None:
            yield CheckResult(name=f"port {want.mac}", status=CheckStatus.FAIL, expected="present", observed="missing")
        else:
            yield from _port(port, want)


def _port(port: Interface, want: expectation.ExpectedPort) -> Iterator[CheckResult]:
    if want.speed_mbps is not None:
        speed = port.speed_mbps if port.has_carrier else "no link"
        yield compare(f"port {want.mac} speed", want.speed_mbps, speed)
    if want.firmware is not None:
        yield compare(f"port {want.mac} firmware", want.firmware, port.firmware_version)


def judge_firmware(found: HardwareInventory, expected: expectation.Expectation) -> Iterator[CheckResult]:
    """Each exactly as expected."""
    firmware = found.firmware or Firmware()
    pairs = (
        ("BIOS version", expected.bios_version, firmware.bios_version),
        ("BMC version", expected.bmc_version, firmware.bmc_version),
        ("boot mode", expected.boot_mode, found.boot.current_boot_mode),
        ("secure boot", expected.secure_boot, found.boot.secure_boot),
        ("TPM", expected.tpm, found.tpm),
    )
    for name, wanted, observed in pairs:
        if wanted is not None:
            yield compare(name, wanted, observed)
