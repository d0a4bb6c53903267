"""The inventory file ``devices.toml``: which machines are ours, and what each must turn out to be."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bringup import bmc_address, errors, inventory_problems, model
from bringup.expectation import Expectation
from bringup.identity import mac_keys, serial_key, uuid_key
from bringup.inventory_problems import EntryLines

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


class Device(BaseModel):
    """One machine of the inventory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")
    bmc_mac: model.Mac | None = None
    nic_macs: tuple[model.Mac, ...] = ()
    serial: str | None = Field(default=None, max_length=128)  # of the system, as its firmware and its BMC show it
    uuid: str | None = None  # of the system (SMBIOS)
    bmc: str = Field(pattern=r"^(https|simulated)://[^\s@?#]+$")
    credential: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,64}$")
    bmc_ca: str | None = Field(default=None, min_length=1)  # a file on the workers' hosts
    bmc_fingerprint: model.Fingerprint | None = None
    bmc_verify: bool = True
    boot_method: Literal["cd", "uefi-http", "pxe"] = "cd"
    boot_timeout_s: int | None = Field(default=None, ge=1, le=24 * 3600)  # None: BOOT_TIMEOUT_S
    boot_group: str | None = None  # a rack or power circuit, of which [boot_groups] says how many may boot at once
    state: Literal[model.DeviceState.APPROVED, model.DeviceState.ACTIVE] = model.DeviceState.APPROVED
    maintenance: str | None = None  # the reason; set: audit only
    expected: Expectation = Expectation()

    @property
    def macs(self) -> tuple[str, ...]:
        """Every address under which this machine may ask for a lease."""
        return ((self.bmc_mac,) if self.bmc_mac else ()) + self.nic_macs

    @property
    def host_macs(self) -> tuple[str, ...]:
        """The ports of the host, each of which its report must show: never the BMC's."""
        return tuple(mac for mac in self.nic_macs if mac != self.bmc_mac)

    @property
    def expectation(self) -> Expectation:
        """What its report is compared with: ``expected``, and the serial number that the entry itself has."""
        return self.expected.model_copy(update={"serial": self.expected.serial or self.serial})

    @property
    def serial_key(self) -> str | None:
        """The serial number on record, in one spelling; None: none, or one that names no machine."""
        return serial_key(self.serial) or serial_key(self.expected.serial)

    @property
    def uuid_key(self) -> str | None:
        """The UUID on record, likewise."""
        return uuid_key(self.uuid)

    @property
    def needs_identity(self) -> bool:
        """Whether nothing on record proves who answers at its BMC's address: no certificate, no serial, no UUID."""
        return not self.bmc_verify and self.serial_key is None and self.uuid_key is None

    @field_validator("uuid")
    @classmethod
    def _is_a_uuid(cls, text: str | None) -> str | None:
        if text is not None and not _UUID.fullmatch(text.strip()):
            raise ValueError("must be a UUID such as 4c4c4544-0058-4b10-8032-b7c04f4d3133")
        return text

    @field_validator("bmc")
    @classmethod
    def _is_an_address(cls, text: str) -> str:
        bmc_address.host_key(text)
        return text

    @model_validator(mode="after")
    def _has_one_serial(self) -> Self:
        top, expected = serial_key(self.serial), serial_key(self.expected.serial)
        if top and expected and top != expected:
            raise ValueError(f"serial is {self.serial!r} and expected.serial {self.expected.serial!r}: give one")
        return self

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


class _Conflict(NamedTuple):
    """What belongs to another entry, too: as it is in the file, and in words."""

    device: Device
    shown: str
    text: str

    @property
    def text_in_file(self) -> tuple[str, ...]:
        """A MAC or a serial number, without the word before it; a MAC may be written with dashes."""
        value = self.shown.rpartition(" ")[2]
        return value, value.replace(":", "-"), value.replace(":", "")


class Inventory:
    """The devices of one file, by name and by what names one machine.

    A BMC, a serial number, a UUID and a MAC belong to one entry: by two, one machine would be approved under the
    one name and in service under the other.

    Raises:
        InventoryError: something belongs to two; names both.
    """

    def __init__(self, devices: Iterable[Device] = (), boot_groups: Mapping[str, int] = MappingProxyType({})) -> None:
        self.by_name: dict[str, Device] = {}
        self.boot_groups = boot_groups  # how many machines of each may boot at once
        self._owners: dict[str, Device] = {}
        conflicts = list(self._take(devices))
        if conflicts:
            raise errors.InventoryError([f"device {one.device.name}: {one.text}" for one in conflicts])

    def _take(self, devices: Iterable[Device]) -> "Iterator[_Conflict]":
        for device in devices:
            if device.name in self.by_name:
                yield _Conflict(device, device.name, "the name is used twice")
            self.by_name[device.name] = device
            for key, shown in _names_of(device):
                other = self._owners.setdefault(key, device)
                if other is not device:
                    yield _Conflict(device, shown, f"{shown} belongs to {other.name} too")
        yield from _shared_bmcs(self.by_name.values())

    @classmethod
    def of_checked(cls, devices: Iterable[Device], boot_groups: Mapping[str, int]) -> Self:
        """The inventory of devices that `read` has found right together; nothing is compared again."""
        made = cls(boot_groups=boot_groups)
        for device in devices:
            made.by_name[device.name] = device
            made._owners.update((key, device) for key, _ in _names_of(device))
        return made

    def device_of(self, mac: str) -> Device | None:
        """The machine that owns ``mac``, as its BMC or as a NIC."""
        return self._owners.get(f"mac {mac}")

    def devices_with(self, *, serials: Iterable[str | None], uuid: str | None, macs: Iterable[str]) -> Iterator[Device]:
        """The machines of which any of these is on record, however it is spelt.

        Args:
            serials: of a system and of its chassis; None: not known.
            uuid: of the system (SMBIOS).
            macs: of the host's ports.
        """
        keys = [f"uuid {uuid_key(uuid)}", *(f"serial {serial_key(serial)}" for serial in serials)]
        keys += [f"mac {':'.join(mac[n : n + 2] for n in range(0, 12, 2))}" for mac in sorted(mac_keys(macs))]
        yield from (self._owners[key] for key in keys if key in self._owners)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The inventory in ``path``. Its problems are named all at once, each with its line.

        Raises:
            InventoryError: the file is missing, unreadable, not TOML, or any entry is wrong.
        """
        try:
            text = path.read_text(encoding="utf-8")
            document = tomllib.loads(text)
        except FileNotFoundError:
            raise errors.InventoryError([f"{path} does not exist; create it or set DEVICES_FILE"]) from None
        except OSError as error:
            raise errors.InventoryError([f"{path} cannot be read: {error.strerror}"]) from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            line, why = inventory_problems.toml_problem(error)
            raise errors.InventoryError([f"{path}{line}: {why}"]) from None
        groups, problems = inventory_problems.boot_groups_in(document, path)
        devices, of_devices = _devices_in(document, path, lines := EntryLines(text))
        problems += of_devices
        for number, device in devices.items():
            if group_problem := inventory_problems.without_limit(device.boot_group, groups):
                at = lines.of(number, (str(device.boot_group), "boot_group"))
                problems.append(f"{path}{at}: device {device.name}: boot_group: {group_problem}")
        made = cls(boot_groups=groups)
        for one in made._take(devices.values()):
            number = next(number for number, device in devices.items() if device is one.device)
            problems.append(f"{path}{lines.of(number, one.text_in_file)}: device {one.device.name}: {one.text}")
        if problems:
            raise errors.InventoryError(problems)
        return made


def _names_of(device: Device) -> Iterator[tuple[str, str]]:
    """What may belong to one device only, in one spelling and as people wrote it."""
    yield from ((f"mac {mac}", mac) for mac in device.macs)
    if device.serial_key:
        yield f"serial {device.serial_key}", f"serial {device.serial or device.expected.serial}"
    if device.uuid_key:
        yield f"uuid {device.uuid_key}", f"uuid {device.uuid}"


def _shared_bmcs(devices: Iterable[Device]) -> Iterator[_Conflict]:
    """One system of one BMC is one machine's. An entry without the path of a system claims all of its BMC."""
    by_host: dict[str, dict[str, Device]] = {}
    for device in devices:
        known = by_host.setdefault(bmc_address.host_key(device.bmc), {})
        system = bmc_address.system_key(device.bmc)
        other = known.get(system) or known.get("") or (next(iter(known.values()), None) if system == "" else None)
        if other:
            hint = "" if system and bmc_address.system_key(other.bmc) else "; name the system of each by its path"
            yield _Conflict(device, device.bmc, f"the BMC {device.bmc} belongs to {other.name} ({other.bmc}) too{hint}")
        known.setdefault(system, device)


def _devices_in(document: dict[str, object], path: Path, lines: EntryLines) -> tuple[dict[int, Device], list[str]]:
    """The entries that are right, by their number, and what is wrong with the others."""
    unknown = sorted(set(document) - {"device", "boot_groups"})
    problems = [
        f"{path}: unknown table [{name}]; machines are [[device]], limits of groups [boot_groups]" for name in unknown
    ]
    entries = document.get("device", [])
    if not isinstance(entries, list):
        return {}, [*problems, f"{path}: write [[device]] with two brackets"]
    devices: dict[int, Device] = {}
    for number, entry in enumerate(entries):
        name = entry.get("name", f"number {number + 1}") if isinstance(entry, dict) else f"number {number + 1}"
        try:
            devices[number] = Device.model_validate(entry)
        except ValidationError as error:
            problems += [
                f"{path}{lines.of(number, way[::-1])}: device {name}: {'.'.join(way) or 'entry'}: {message}"
                for way, message in inventory_problems.explained(error, Device)
            ]
            if device := inventory_problems.without_unknown_fields(entry, error, Device):
                devices[number] = device
    return devices, problems
