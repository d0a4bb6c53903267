"""Whether there is a TPM, and of which version.

Source: Linux Documentation/ABI/stable/sysfs-class-tpm; TCG ACPI Specification 1.4, tables TPM2 and TCPA; DMTF DSP0134
s.7.44 (TPM Device, type 43).
"""

from pathlib import Path

from agent.inventory import smbios
from agent.text import names, read_number

_ACPI = "sys/firmware/acpi/tables"


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
