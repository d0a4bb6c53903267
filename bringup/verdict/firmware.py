"""Versions of the firmware, how the machine booted, and its TPM."""

from collections.abc import Iterator

from bringup.expectation import Expectation
from bringup.verdict.compare import compare
from bringup.wire.report import CheckResult, Firmware, HardwareInventory


def judge_firmware(found: HardwareInventory, expected: Expectation) -> Iterator[CheckResult]:
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
