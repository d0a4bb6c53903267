"""What a BMC can do for a run, found out by reading alone: which system, slot and boot target, and what would fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from sushy.exceptions import SushyError

from bringup.errors import BmcRejected, BmcUnavailable
from bringup.model import FailureReason
from bringup.settings import Settings
from bringup.text import without_image_secret
from workers.redfish.boot_settings import BootSettings
from workers.redfish.connection import RedfishConnection
from workers.redfish.errors import redfish_errors
from workers.redfish.machine import Machine
from workers.redfish.machine_identity import identity_of
from workers.redfish.media import UEFI_HTTP, shown_image
from workers.redfish.quirks import quirks_of
from workers.redfish.session import Login
from workers.redfish.slots import Slot, usable
from workers.redfish.systems import described

_METHODS = ("cd", "uefi-http", "pxe")


@dataclass
class SlotView:
    """A slot as the check shows it. ``order``: the place in which it is tried, from 1; None: it is not, see ``why``."""

    path: str
    under: str
    media_types: tuple[str, ...]
    way: str
    holds: str
    order: int | None
    why: str


@dataclass
class Survey:
    """The answer of `bringup bmc check`. ``problems``: what would fail, and why; empty: nothing that can be seen."""

    bmc: str
    login: str = ""
    redfish: str = ""
    maker: str = ""
    model: str = ""
    bios: str = ""
    firmware: str = ""
    systems: list[str] = field(default_factory=list)
    system: str = ""
    system_because: str = ""
    identity: dict[str, Any] = field(default_factory=dict)
    power: str = ""
    slots: list[SlotView] = field(default_factory=list)
    boot_written_at: str = ""
    boot_mode: str = ""
    boot_now: str = ""
    boot_targets: dict[str, str] = field(default_factory=dict)
    timing: dict[str, float] = field(default_factory=dict)
    quirks: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    alternatives: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The survey for programs."""
        return asdict(self)


def survey(
    connection: RedfishConnection,
    login: Login,
    settings: Settings,
    *,
    serial: str | None = None,
    uuid: str | None = None,
    boot_method: str = "cd",
) -> Survey:
    """Look at the BMC. Nothing is written but the session of the login, and that only where `login` opens one.

    Args:
        serial, uuid: of the machine, where several stand behind the BMC.
        boot_method: that the inventory says; what it needs and the BMC lacks is a problem.

    Raises:
        BmcUnavailable, BmcRejected: it lets nobody in.
    """
    found = Survey(bmc=connection.base)
    with redfish_errors(connection.base, "log in", refused=FailureReason.BMC_UNREACHABLE, logging_in=True):
        root = login.open()
    found.login = f"Basic: {login.basic_because}" if login.basic_because else "session"
    found.redfish = root.text("RedfishVersion")
    with _noting(found, "the systems"):
        found.systems = [described(one) for one in connection.members(root.link("Systems"))]
    with _noting(found, "the system"):
        machine = Machine.of(connection, root, settings, serial=serial, uuid=uuid)
        _look_at_system(found, connection, machine)
        _look_at_slots(found, machine, boot_method)
        _look_at_boot(found, connection, machine, boot_method)
        found.quirks = list(quirks_of(connection, machine, login))
    return found


def _look_at_system(found: Survey, connection: RedfishConnection, machine: Machine) -> None:
    system = machine.system
    found.system, found.system_because = system.path, machine.because
    found.maker, found.model, found.bios = (system.text(name) for name in ("Manufacturer", "Model", "BiosVersion"))
    found.power = system.text("PowerState")
    found.timing = asdict(machine.timing)
    with _noting(found, "the managers"):
        found.firmware = ", ".join(filter(None, (manager.text("FirmwareVersion") for manager in machine.managers())))
    with _noting(found, "the identity"):
        found.identity = asdict(identity_of(connection, system))
    if system.action("ComputerSystem.Reset") is None:
        found.problems.append("power: the system has no Reset action, so it cannot be switched")
    if found.power.casefold() not in {"on", "off"}:
        found.problems.append(f"power: the state is {found.power or 'not shown'}; a run waits until it is On or Off")


def _look_at_slots(found: Survey, machine: Machine, boot_method: str) -> None:
    with _noting(found, "the virtual media"):
        slots = machine.read_slots()
        order = {slot.path: number for number, slot in enumerate(usable(slots), start=1)}
        found.slots = [_view(slot, order.get(slot.path)) for slot in slots]
        if boot_method == "cd" and not order:
            found.problems.append("media: no slot can take the image; a run would end as media_rejected")
            found.alternatives.append(UEFI_HTTP)
        elif boot_method == "cd" and not any(slot.is_empty for slot in slots if slot.path in order):
            found.problems.append("media: every slot holds a medium that is not ours; eject one at the BMC")


def _view(slot: Slot, order: int | None) -> SlotView:
    why = ""
    if order is None:
        why = (
            f"its media types are {', '.join(slot.resource.words('MediaTypes'))}"
            if slot.is_disc is False
            else "it has no way to insert an image"
        )
    elif not slot.is_empty:
        why = "taken, so it is passed over"
    types = slot.resource.words("MediaTypes")
    return SlotView(slot.path, slot.under, types, slot.way, shown_image(slot), order, why)


def _look_at_boot(found: Survey, connection: RedfishConnection, machine: Machine, boot_method: str) -> None:
    with _noting(found, "the boot override"):
        boot, oem = BootSettings(connection, machine.system), machine.oem_boot()
        found.boot_written_at, found.boot_mode, found.boot_now = boot.place, boot.mode, boot.shown
        if oem:
            found.boot_written_at = oem.place
        for method in _METHODS:
            try:
                found.boot_targets[method] = boot.target_of(method)
            except BmcRejected as error:
                found.boot_targets[method] = ""
                if method == boot_method:
                    found.problems.append(f"boot: {error}")
        if boot_method == "cd" and found.boot_targets.get("uefi-http") and found.problems:
            found.alternatives = list(dict.fromkeys([*found.alternatives, UEFI_HTTP]))


@contextmanager
def _noting(found: Survey, what: str) -> Iterator[None]:
    """A part that cannot be read is a problem of its own, and the rest is looked at all the same."""
    try:
        with redfish_errors(found.bmc, f"show {what}", refused=FailureReason.BMC_UNREACHABLE):
            yield
    except (BmcRejected, BmcUnavailable, SushyError) as error:
        found.problems.append(without_image_secret(str(error)))
