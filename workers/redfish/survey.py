"""What a BMC can do for a run, found out by reading alone: which system, slot and boot target, and what would fail.

The quirks that the driver handles are recognised by what the BMC shows; docs/redfish.md lists the same quirks by
family, with their sources.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from bringup import errors, text
from bringup.model import FailureReason
from bringup.settings import Settings
from workers.redfish import error_mapping, virtual_media
from workers.redfish.connection import RedfishConnection
from workers.redfish.login import Login
from workers.redfish.machine import RedfishMachine
from workers.redfish.slots import Slot, usable
from workers.redfish.systems import described

# What the inventory may have as boot_method.
_METHODS = ("cd", "uefi-http", "pxe")
# (manufacturer, model, quirk): what a firmware does without showing it beforehand; both are searched for in any case.
_KNOWN = (
    ("hpe|hewlett", "", "refuses the boot override while the host is in POST: the run switches it off first"),
    ("dell", "", "a pending lifecycle job refuses changes (SYS011): the run waits for it"),
    ("supermicro", "", "keeps the image's name after the eject: only Inserted counts"),
    ("supermicro", "", "an insert may need a licence (SFT-OOB-LIC, SFT-DCMS-SINGLE); it is named if it is refused"),
    ("nvidia", "dgx", "asks for user name and password even for an open image: placeholders are sent when it does"),
    ("cisco", "", "its first slot is the console's alone and refuses images: the next one is tried"),
)


@dataclass
class SlotView:
    """A slot as the check shows it.

    Args:
        under, way, holds: see `Slot`; what is in it is for people.
        order: the place in which it is tried, from 1; None: it is not tried.
        why: it is not tried, or is passed over.
    """

    path: str
    under: str
    media_types: tuple[str, ...]
    way: str
    holds: str
    order: int | None
    why: str


@dataclass
class Survey:
    """The answer of `bringup bmc check`.

    Args:
        bmc: its address.
        login: by a session, or by Basic authentication and why.
        redfish, maker, model, bios, firmware: as the BMC shows them.
        systems: all that are listed, for people.
        system, system_because: the one of this machine, and why it is.
        identity: see `workers.bmc.ReportedIdentity`.
        boot_written_at, boot_mode, boot_now: where the override would be written, and what is set there.
        boot_targets: the BMC's name of the target, by boot_method; "": it has none.
        timing: how long the machine takes, in seconds.
        problems: what would fail, and why; empty: nothing that reading can show.
        alternatives: what works instead.
    """

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
    identity: dict[str, object] = field(default_factory=dict)
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

    def as_json(self) -> dict[str, object]:
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
    """Read what the BMC shows. Nothing is written but the session of the login, and that only where `login` opens one.

    Args:
        connection: to the BMC.
        login: not yet opened.
        settings: override the time that machines take, in seconds.
        serial, uuid: of the machine, where the BMC has several systems.
        boot_method: of the inventory; what it needs and the BMC lacks is a problem.

    Raises:
        BmcUnavailable, BmcRejected: the login failed.
    """
    found = Survey(bmc=connection.base)
    with error_mapping.redfish_errors(
        connection.base, "log in", refused=FailureReason.BMC_UNREACHABLE, logging_in=True
    ):
        root = login.open()
    found.login = f"Basic: {login.basic_because}" if login.basic_because else "session"
    found.redfish = root.text("RedfishVersion")
    with _noting(found, "the systems"):
        found.systems = [described(one) for one in connection.members(root.link("Systems"))]
    with _noting(found, "the system"):
        machine = RedfishMachine.of(connection, root, settings, serial=serial, uuid=uuid)
        _look_at_system(found, machine)
        _look_at_slots(found, machine, boot_method)
        _look_at_boot(found, machine, boot_method)
        found.quirks = list(_quirks_of(machine, login))
    return found


def _look_at_system(found: Survey, machine: RedfishMachine) -> None:
    system = machine.system
    found.system, found.system_because = system.path, machine.because
    found.maker, found.model, found.bios = (system.text(name) for name in ("Manufacturer", "Model", "BiosVersion"))
    found.power = system.text("PowerState")
    found.timing = asdict(machine.timing)
    with _noting(found, "the managers"):
        found.firmware = ", ".join(filter(None, (manager.text("FirmwareVersion") for manager in machine.managers())))
    with _noting(found, "the identity"):
        found.identity = asdict(machine.identity())
    if system.action("ComputerSystem.Reset") is None:
        found.problems.append("power: the system has no Reset action, so it cannot be switched")
    if found.power.casefold() not in {"on", "off"}:
        found.problems.append(f"power: the state is {found.power or 'not shown'}; a run waits until it is On or Off")


def _look_at_slots(found: Survey, machine: RedfishMachine, boot_method: str) -> None:
    with _noting(found, "the virtual media"):
        slots = machine.read_slots()
        order = {slot.path: number for number, slot in enumerate(usable(slots), start=1)}
        found.slots = [_view(slot, order.get(slot.path)) for slot in slots]
        if boot_method == "cd" and not order:
            found.problems.append("media: no slot can take the image; a run would end as media_rejected")
            found.alternatives.append(virtual_media.UEFI_HTTP)
        elif boot_method == "cd" and not any(slot.is_empty for slot in slots if slot.path in order):
            found.problems.append("media: every slot holds a medium that is not ours; eject one at the BMC")


def _view(slot: Slot, order: int | None) -> SlotView:
    why = ""
    if order is None:
        why = (
            f"its media types are {', '.join(slot.resource.texts('MediaTypes'))}"
            if slot.is_disc is False
            else "it has no way to insert an image"
        )
    elif not slot.is_empty:
        why = "holds a medium, so it is passed over"
    types = slot.resource.texts("MediaTypes")
    return SlotView(slot.path, slot.under, types, slot.way, virtual_media.shown_image(slot), order, why)


def _look_at_boot(found: Survey, machine: RedfishMachine, boot_method: str) -> None:
    with _noting(found, "the boot override"):
        boot, oem = machine.boot_override(), machine.oem_boot()
        found.boot_written_at, found.boot_mode, found.boot_now = boot.place, boot.mode, boot.shown
        if oem:
            found.boot_written_at = oem.place
        for method in _METHODS:
            try:
                found.boot_targets[method] = boot.target_of(method)
            except errors.BmcRejected as error:
                found.boot_targets[method] = ""
                if method == boot_method:
                    found.problems.append(f"boot: {error}")
        if boot_method == "cd" and found.boot_targets.get("uefi-http") and found.problems:
            found.alternatives = list(dict.fromkeys([*found.alternatives, virtual_media.UEFI_HTTP]))


@contextmanager
def _noting(found: Survey, what: str) -> Iterator[None]:
    """A part that cannot be read is a problem of its own, and the rest is read all the same."""
    try:
        with error_mapping.redfish_errors(found.bmc, f"show {what}", refused=FailureReason.BMC_UNREACHABLE):
            yield
    except (errors.BmcRejected, errors.BmcUnavailable) as error:
        found.problems.append(text.without_image_secret(str(error)))


def _quirks_of(machine: RedfishMachine, login: Login) -> Iterator[str]:
    """What was recognised, in sentences for people."""
    if login.basic_because:
        yield f"no session: name and password are sent with each request ({login.basic_because})"
    yield from _of_system(machine)
    slots = machine.read_slots()
    yield from _of_slots(machine.connection, slots)
    maker, model = (machine.system.text(name) for name in ("Manufacturer", "Model"))
    for of_maker, of_model, quirk in _KNOWN:
        if re.search(of_maker, maker, re.IGNORECASE) and re.search(of_model, model, re.IGNORECASE):
            yield quirk


def _of_system(machine: RedfishMachine) -> Iterator[str]:
    boot = machine.boot_override()
    if oem := machine.oem_boot():
        yield f"Cd means a drive of the machine: the virtual disc is booted by Dell's VCD-DVD, set at {oem.place}"
    if boot.place != machine.system.path:
        yield f"the boot override is written to the settings object {boot.place}, and read back there"
    if boot.mode:
        yield f"BootSourceOverrideMode is {boot.mode}: it is sent along, so that it stays"
    if boot.is_usb_cd:
        yield "virtual discs boot as UsbCd, not as Cd"
    etag = machine.system.etag or ""
    if etag:
        yield f"shows {'weak ' if etag.startswith('W/') else ''}ETags: they are sent back as If-Match"


def _of_slots(connection: RedfishConnection, slots: list[Slot]) -> Iterator[str]:
    able = usable(slots)
    if len(able) > 1:
        yield f"{len(able)} slots may take the image: the next one is tried when one refuses"
    for slot in able:
        if slot.is_disc is None:
            yield f"slot {slot.path} shows no MediaTypes and counts as a disc, because it can insert"
        if slot.way == "patch":
            yield f"slot {slot.path} has no actions: Image is set by PATCH"
        elif slot.oem:
            yield f"slot {slot.path} is driven by {slot.oem.name}, the standard way is missing"
        parameters = connection.parameters(slot.insert_action) if slot.insert_action else []
        if asked := [one.text("Name") for one in parameters if one.flag("Required") and one.text("Name") != "Image"]:
            yield f"slot {slot.path} asks for {', '.join(asked)} besides the image"
        if slot.resource.flag("VerifyCertificate") is not None:
            yield f"slot {slot.path} can check the image server's certificate (VerifyCertificate)"
