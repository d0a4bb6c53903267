"""The inventory file ``devices.toml``: which machines are ours, and what each must turn out to be."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bringup.errors import InventoryError
from bringup.expectation import Expectation
from bringup.model import DeviceState, Fingerprint, Mac


class Device(BaseModel):
    """One machine of the inventory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")
    bmc_mac: Mac | None = None
    nic_macs: tuple[Mac, ...] = ()
    bmc: str = Field(pattern=r"^(https|simulated)://[^\s@?#]+$")
    credential: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,64}$")
    bmc_ca: str | None = Field(default=None, min_length=1)  # a file on the workers' hosts
    bmc_fingerprint: Fingerprint | None = None
    bmc_verify: bool = True
    boot_method: Literal["cd", "uefi-http", "pxe"] = "cd"
    state: Literal[DeviceState.APPROVED, DeviceState.ACTIVE] = DeviceState.APPROVED
    maintenance: str | None = None  # the reason; set: audit only
    expected: Expectation = Expectation()

    @property
    def macs(self) -> tuple[str, ...]:
        """Every address under which this machine may ask for a lease."""
        return ((self.bmc_mac,) if self.bmc_mac else ()) + self.nic_macs

    @model_validator(mode="after")
    def _has_a_mac(self) -> Self:
        if not self.macs:
            raise ValueError("needs bmc_mac or nic_macs: without one no lease can be matched to it")
        return self

    @model_validator(mode="after")
    def _is_trusted_in_one_way(self) -> Self:
        ways = (self.bmc_ca is not None, self.bmc_fingerprint is not None, not self.bmc_verify)
        if sum(ways) > 1:
            raise ValueError("take one of bmc_ca, bmc_fingerprint and bmc_verify = false")
        return self


class Inventory:
    """The devices of one file, by name and by MAC."""

    def __init__(self, devices: Iterable[Device] = ()) -> None:
        self.by_name: dict[str, Device] = {}
        self._by_mac: dict[str, Device] = {}
        problems: list[str] = []
        for device in devices:
            if device.name in self.by_name:
                problems.append(f"device {device.name}: the name is used twice")
            self.by_name[device.name] = device
            for mac in device.macs:
                other = self._by_mac.setdefault(mac, device)
                if other is not device:
                    problems.append(f"device {device.name}: {mac} belongs to {other.name} too")
        if problems:
            raise InventoryError(problems)

    def device_of(self, mac: str) -> Device | None:
        """The machine that owns ``mac``, as its BMC or as a NIC."""
        return self._by_mac.get(mac)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The inventory in ``path``.

        Raises:
            InventoryError: the file is missing, unreadable, not TOML, or any entry is wrong.
        """
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InventoryError([f"{path} does not exist; create it or set DEVICES_FILE"]) from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InventoryError([f"{path}: {error}"]) from None
        return cls(_devices_in(document, path))


def _devices_in(document: dict[str, object], path: Path) -> list[Device]:
    unknown = sorted(set(document) - {"device"})
    problems = [f"{path}: unknown table [{name}]; machines are [[device]]" for name in unknown]
    entries = document.get("device", [])
    if not isinstance(entries, list):
        raise InventoryError([*problems, f"{path}: write [[device]] with two brackets"])
    devices: list[Device] = []
    for number, entry in enumerate(entries, start=1):
        name = entry.get("name", f"number {number}") if isinstance(entry, dict) else f"number {number}"
        try:
            devices.append(Device.model_validate(entry))
        except ValidationError as error:
            problems += [
                f"{path}: device {name}: {'.'.join(map(str, p['loc'])) or 'entry'}: {p['msg']}"
                for p in error.errors(include_input=False, include_url=False)
            ]
    if problems:
        raise InventoryError(problems)
    return devices
