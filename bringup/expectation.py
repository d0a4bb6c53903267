"""What the inventory expects of a machine: the table ``expected`` of a device. What is left out is not compared."""

from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from bringup.model import Mac

GIB = 1024**3  # bytes; memory is sold in these, disks in 10^9 bytes
# As many parts of one kind as a report may carry at most (`bringup.wire.report.HardwareInventory`).
_MOST_PARTS = 4096

Text = Annotated[str, Field(min_length=1, max_length=1024)]
PciId = Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]  # vendor:device, as lspci -n shows it
PartCount = Annotated[int, Field(gt=0, le=_MOST_PARTS)]


class _Expected(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


_EntryT = TypeVar("_EntryT", bound=_Expected)


class ExpectedDisk(_Expected):
    """A disk that must be there, or ``count`` of the same. ``size_gb`` is in 10^9 bytes, as disks are sold."""

    size_gb: PositiveFloat
    count: PartCount = 1
    type: Literal["hdd", "ssd", "nvme"] | None = None
    model: Text | None = None
    serial: Text | None = None

    @model_validator(mode="after")
    def _one_disk_has_a_serial(self) -> Self:
        if self.serial is not None and self.count != 1:
            raise ValueError("a disk with a serial is one disk: leave count out")
        return self


class ExpectedDimms(_Expected):
    """The memory modules: how many, and the speed that each runs at in MT/s."""

    count: PartCount | None = None
    speed_mts: PositiveInt | None = None

    @model_validator(mode="after")
    def _expects_something(self) -> Self:
        return _needs_one_of(self, "count", "speed_mts")


class ExpectedPort(_Expected):
    """One network port by its MAC: its link speed in Mb/s, its firmware as ``ethtool -i`` shows it."""

    mac: Mac
    speed_mbps: PositiveInt | None = None
    firmware: Text | None = None

    @model_validator(mode="after")
    def _expects_something(self) -> Self:
        return _needs_one_of(self, "speed_mbps", "firmware")


class ExpectedPcie(_Expected):
    """The PCI functions that a slot, an id and a class select, and the link that each must run at.

    ``width`` is the number of lanes, ``speed_gts`` the speed in GT/s, both as negotiated now.
    """

    slot: Annotated[str, Field(pattern=r"^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$")] | None = None
    id: PciId | None = None
    pci_class: Annotated[str, Field(pattern=r"^([0-9a-f]{2}){1,3}$")] | None = None  # 02: every network controller
    count: PartCount | None = None
    width: PositiveInt | None = None
    speed_gts: PositiveFloat | None = None

    @model_validator(mode="after")
    def _selects_something(self) -> Self:
        return _needs_one_of(self, "slot", "id", "pci_class")


class ExpectedGpus(_Expected):
    """How many GPUs: of one model by its PCI id, or of any."""

    count: NonNegativeInt
    id: PciId | None = None


class Expectation(_Expected):
    """What the machine must report. What is left out is not compared."""

    memory_gib: PositiveFloat | None = None
    cpu_count: PositiveInt | None = None  # logical CPUs, as the agent counts them
    disks: tuple[ExpectedDisk, ...] = ()
    # False: a disk that has no SMART data is accepted. A disk that answers is judged all the same.
    smart: bool = True
    nics: PositiveInt | None = None
    serial: str | None = None
    bios_version: Text | None = None
    bmc_version: Text | None = None
    boot_mode: Literal["uefi", "bios"] | None = None
    secure_boot: bool | None = None
    tpm: Literal["2.0", "1.2", "none"] | None = None
    dimms: ExpectedDimms | None = None
    ports: tuple[ExpectedPort, ...] = ()
    pcie: tuple[ExpectedPcie, ...] = ()
    gpus: ExpectedGpus | None = None

    @property
    def is_empty(self) -> bool:
        """No part is compared: ``smart`` expects nothing, and ``serial`` names the machine, not what it has."""
        return self.model_copy(update={"smart": True, "serial": None}) == Expectation()


def _needs_one_of(entry: _EntryT, *names: str) -> _EntryT:
    if all(getattr(entry, name) is None for name in names):
        raise ValueError(f"needs one of {', '.join(names)}")
    return entry
