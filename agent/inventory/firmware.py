"""What the firmware reports of the machine, how it booted, and its TPM.

Source: UEFI 2.10 s.3.3 (SecureBoot); Linux Documentation/ABI/stable/sysfs-class-tpm; TCG ACPI Specification 1.4,
tables TPM2 and TCPA; DMTF DSP0134 s.7.44 (TPM Device, type 43).
"""

from pathlib import Path

from agent.inventory import smbios
from agent.kernel import Kernel
from agent.text import device_text, names, read_number, read_text

_EFI = "sys/firmware/efi"
_SECURE_BOOT = f"{_EFI}/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_ACPI = "sys/firmware/acpi/tables"


def system_vendor(root: Path) -> dict[str, object]:
    """As `bringup.wire.report.SystemVendor` has it; "" for what the firmware does not report."""
    folder = root / "sys/class/dmi/id"
    files = {"manufacturer": "sys_vendor", "product_name": "product_name", "serial_number": "product_serial"}
    return {key: device_text(read_text(folder / name)) for key, name in files.items()}


def firmware(root: Path, kernel: Kernel) -> dict[str, object]:
    """As `bringup.wire.report.Firmware` has it; None for what could not be read."""
    bios = device_text(read_text(root / "sys/class/dmi/id/bios_version"))
    return {"bios_version": bios or None, "bmc_version": kernel.bmc_version()}


def boot(root: Path) -> dict[str, object]:
    """As `bringup.wire.report.Boot` has it."""
    if (root / _EFI).is_dir():
        return {"current_boot_mode": "uefi", "secure_boot": _secure_boot(root)}
    return {"current_boot_mode": "bios", "secure_boot": False}  # there is none without UEFI


def _secure_boot(root: Path) -> bool | None:
    """Four bytes of attributes, then the value; None where there is no such variable."""
    try:
        raw = (root / _SECURE_BOOT).read_bytes()
    except OSError:
        return None
    return raw[4] == 1 if len(raw) == 5 else None


def hostname(root: Path) -> str:
    """The name that the machine has; "" without one."""
    name = read_text(root / "proc/sys/kernel/hostname")
    return "" if name == "(none)" else device_text(name)


def tpm(root: Path, smbios_table: bytes) -> str | None:
    """``2.0``, ``1.2``, ``none``; None where nothing could be asked.

    A TPM that the firmware's settings switch off is none.
    """
    versions = {1: "1.2", 2: "2.0"}
    driver = read_number(root / "sys/class/tpm/tpm0/tpm_version_major")
    tables = names(root / _ACPI)
    by_table = "2.0" if "TPM2" in tables else "1.2" if "TCPA" in tables else None
    found = versions.get(driver or 0) or by_table or versions.get(smbios.tpm_major(smbios_table) or 0)
    return found or ("none" if tables else None)
