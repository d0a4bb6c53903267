"""What the machine of a run reports, and what the API concludes from it."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from bringup.model import AnyRunState, BootId, DeviceText, Mac, or_else
from bringup.wire.message import Message

Count = Annotated[int, Field(ge=0, lt=2**63)]  # of anything: bytes among them


class Cpu(Message):
    """Keys as Ironic's inspection has them."""

    count: Count  # logical
    model_name: DeviceText = ""
    architecture: DeviceText = ""
    frequency: DeviceText = ""
    flags: tuple[DeviceText, ...] = Field(default=(), fail_fast=True, max_length=1024)


class MemoryModule(Message):
    """One DIMM."""

    slot: DeviceText = ""
    size_mb: Count
    serial: DeviceText = ""
    speed_mts: Count | None = None  # MT/s that it runs at; None: the firmware does not report it


class Memory(Message):
    """``total`` in bytes as the kernel sees it; ``physical_mb`` in MiB as the firmware reports it."""

    total: Count
    physical_mb: Count
    modules: tuple[MemoryModule, ...] = Field(default=(), fail_fast=True, max_length=256)


class SmartCounter(StrEnum):
    """A number that a disk keeps of its own health; `bringup.verdict.smart` has the limits, each with its source."""

    CRITICAL_WARNING = "critical_warning"  # NVMe: bits
    AVAILABLE_SPARE = "available_spare"  # NVMe: percent
    SPARE_THRESHOLD = "spare_threshold"  # NVMe: percent
    PERCENTAGE_USED = "percentage_used"  # of the rated endurance; may exceed 100
    MEDIA_ERRORS = "media_errors"  # NVMe
    REALLOCATED_SECTORS = "reallocated_sectors"  # ATA
    REPORTED_UNCORRECTABLE = "reported_uncorrectable"  # ATA
    PENDING_SECTORS = "pending_sectors"  # ATA
    OFFLINE_UNCORRECTABLE = "offline_uncorrectable"  # ATA
    GROWN_DEFECTS = "grown_defects"  # SCSI
    UNCORRECTED_ERRORS = "uncorrected_errors"  # SCSI


class Smart(Message):
    """What a disk reports of its own health, as raw values. A counter of None: this disk keeps no such counter."""

    protocol: Literal["nvme", "ata", "scsi"]
    passed: bool | None = None  # the disk's own opinion
    counters: dict[SmartCounter, Count | None]


class Disk(Message):
    """``size`` in bytes. Without ``smart``, ``smart_problem`` is why it could not be read.

    ``smart_unavailable``: because there is none to read: a virtual disk, or one that its RAID controller hides.
    """

    name: DeviceText
    size: Count
    model: DeviceText = ""
    serial: DeviceText = ""
    wwn: DeviceText = ""
    rotational: bool | None = None
    type: Literal["hdd", "ssd", "nvme"] | None = None
    smart: Smart | None = None
    smart_problem: DeviceText = ""
    smart_unavailable: bool = False

    @model_validator(mode="after")
    def _was_read_or_was_not(self) -> Self:
        if self.smart is not None and (self.smart_problem or self.smart_unavailable):
            raise ValueError("smart excludes smart_problem and smart_unavailable")
        return self


class Interface(Message):
    """One network port of the host."""

    name: DeviceText
    mac_address: Mac
    has_carrier: bool
    speed_mbps: Count | None = None
    ipv4_address: DeviceText | None = None
    product: DeviceText = ""
    firmware_version: DeviceText | None = None  # as ``ethtool -i`` shows it
    lldp: tuple[tuple[int, DeviceText], ...] = Field(default=(), fail_fast=True, max_length=256)


class SystemVendor(Message):
    """From the firmware's SMBIOS tables."""

    manufacturer: DeviceText = ""
    product_name: DeviceText = ""
    serial_number: DeviceText = ""


class Boot(Message):
    """How the machine came up."""

    current_boot_mode: Literal["bios", "uefi"]
    secure_boot: bool | None = None


class Firmware(Message):
    """Versions of the machine's own firmware; None: not found out."""

    bios_version: DeviceText | None = None  # SMBIOS, DSP0134 s.7.1
    bmc_version: DeviceText | None = None  # IPMI Get Device ID, as ``ipmitool mc info`` shows it


class PcieLink(Message):
    """The link of one PCI function, as negotiated now."""

    slot: DeviceText
    width: Count | None = None  # lanes
    speed_gts: Annotated[float, Field(ge=0, le=1024)] | None = None  # GT/s


class HardwareInventory(Message):
    """What the machine is made of. A part that an older agent does not know is None: it was not looked at."""

    cpu: Cpu
    memory: Memory
    disks: tuple[Disk, ...] = Field(fail_fast=True, max_length=4096)
    interfaces: tuple[Interface, ...] = Field(fail_fast=True, max_length=1024)
    system_vendor: SystemVendor
    boot: Boot
    hostname: DeviceText = ""
    bmc_address: DeviceText | None = None
    pci_devices: tuple[DeviceText, ...] = Field(default=(), fail_fast=True, max_length=4096)
    pcie_links: tuple[PcieLink, ...] | None = Field(default=None, fail_fast=True, max_length=4096)
    firmware: Firmware | None = None
    tpm: Literal["2.0", "1.2", "none"] | None = None


class CheckStatus(StrEnum):
    """The result of one check on the machine, in the words of `pki.check`; ``skip`` is never a pass."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"

    @classmethod
    def _missing_(cls, value: object) -> "CheckStatus | None":
        """Reads ``pass``, which validation images and records of version 0.1.0 have for ``ok``."""
        return cls.OK if value == "pass" else None


class AgentCheck(Message):
    """One quick, non-destructive check that the agent ran."""

    name: DeviceText = Field(min_length=1)
    status: CheckStatus
    detail: DeviceText = ""


class Report(Message):
    """What the validation ISO found. It carries no verdict: `bringup.verdict` makes it."""

    schema_version: Literal[1]
    boot_id: BootId
    agent: DeviceText
    simulated: bool = False
    rtc_offset_s: float | None = None  # the machine's hardware clock minus the API's (its Date header)
    inventory: HardwareInventory
    checks: tuple[AgentCheck, ...] = Field(fail_fast=True, max_length=1024)


# A run carries its summary in every list of runs. A report may hold 1,024 checks of 1,024 characters.
_LONGEST_SUMMARY = 4000


class CheckResult(Message):
    """One line of a verdict: what was expected, what was found."""

    name: str
    status: Annotated[CheckStatus, or_else(CheckStatus.SKIP)]  # what we do not know is no pass
    expected: str = ""
    observed: str = ""


class Verdict(Message):
    """What the API concluded from a report."""

    state: AnyRunState  # passed, degraded or failed
    checks: tuple[CheckResult, ...]

    @property
    def summary(self) -> str:
        """The checks that did not pass, in one line, as many as a line may hold."""
        differences = [
            f"{c.name}: expected {c.expected}, found {c.observed}" if c.expected else f"{c.name}: {c.observed}"
            for c in self.checks
            if c.status is not CheckStatus.OK
        ]
        whole = "; ".join(differences)
        if len(whole) <= _LONGEST_SUMMARY:
            return whole
        return f"{whole[:_LONGEST_SUMMARY]}... and more, of {len(differences)} differences"
