"""What a machine says: that it lives, and what it found."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat

from bringup.model import DeviceText, FailureReason, Mac, RunId, RunState
from bringup.wire.base import Message

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


class Memory(Message):
    """``total`` in bytes as the kernel sees it; ``physical_mb`` in MiB as the firmware reports it."""

    total: Count
    physical_mb: Count
    modules: tuple[MemoryModule, ...] = Field(default=(), fail_fast=True, max_length=256)


class Disk(Message):
    """``size`` in bytes."""

    name: DeviceText
    size: Count
    model: DeviceText = ""
    serial: DeviceText = ""
    wwn: DeviceText = ""
    rotational: bool | None = None


class Interface(Message):
    """One network port of the host."""

    name: DeviceText
    mac_address: Mac
    has_carrier: bool
    speed_mbps: Count | None = None
    ipv4_address: DeviceText | None = None
    product: DeviceText = ""
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


class HardwareInventory(Message):
    """What the machine is made of."""

    cpu: Cpu
    memory: Memory
    disks: tuple[Disk, ...] = Field(fail_fast=True, max_length=4096)
    interfaces: tuple[Interface, ...] = Field(fail_fast=True, max_length=1024)
    system_vendor: SystemVendor
    boot: Boot
    hostname: DeviceText = ""
    bmc_address: DeviceText | None = None
    pci_devices: tuple[DeviceText, ...] = Field(default=(), fail_fast=True, max_length=4096)


class CheckStatus(StrEnum):
    """What one check on the machine said; ``skip`` is never a pass."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class AgentCheck(Message):
    """One quick, non-destructive check that the agent ran."""

    name: DeviceText = Field(min_length=1)
    status: CheckStatus
    detail: DeviceText = ""


class Report(Message):
    """What the validation ISO found. It carries no verdict: that is for `bringup.verdict` to say."""

    schema_version: Literal[1]
    boot_id: DeviceText = Field(min_length=1, max_length=64)
    agent: DeviceText
    simulated: bool = False
    rtc_offset_s: float | None = None  # the machine's hardware clock minus the API's (its Date header)
    inventory: HardwareInventory
    checks: tuple[AgentCheck, ...] = Field(fail_fast=True, max_length=1024)


class Heartbeat(Message):
    """A sign of life of a booted machine."""

    boot_id: DeviceText = Field(min_length=1, max_length=64)
    uptime_s: NonNegativeFloat
    stage: DeviceText = ""


class HeartbeatReply(Message):
    """When to call again, and whether to go on at all."""

    next_s: NonNegativeFloat
    command: Literal["continue", "abort"]


class ReportReply(Message):
    """The report is on record."""

    run_id: RunId
    state: RunState
    replay: bool


class Trouble(Message):
    """The machine cannot trust the API, and says so without trusting it: nothing secret is in here.

    ``proof`` is the hex HMAC-SHA256 of ``RUN_ID:REASON`` under the hex SHA-256 of the run token (both as ASCII):
    it shows that the machine holds the token, and shows the token to nobody.
    """

    reason: Literal[FailureReason.TLS_TRUST, FailureReason.TLS_CLOCK]
    proof: str = Field(pattern=r"^[0-9a-f]{64}$")
    boot_id: DeviceText = Field(min_length=1, max_length=64)
    detail: DeviceText = ""


class TroubleReply(Message):
    """The trouble is on record, and the run has ended with it."""

    run_id: RunId
    state: RunState
