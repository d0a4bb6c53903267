"""The habits of a BMC that the driver knows how to live with: each is recognised by what the BMC shows.

docs/redfish.md lists the same habits by family, with their sources.
"""

import re
from collections.abc import Iterator

from workers.redfish.boot_settings import BootSettings
from workers.redfish.connection import RedfishConnection
from workers.redfish.machine import Machine
from workers.redfish.resource import Resource
from workers.redfish.session import Login
from workers.redfish.slots import Slot, usable

# (words of the manufacturer, words of the model or firmware): what its firmware does without showing it beforehand.
_KNOWN = (
    ("hpe|hewlett", "", "refuses the boot override while the host is in POST: the run switches it off first"),
    ("dell", "", "a pending lifecycle job refuses changes (SYS011): the run waits for it"),
    ("supermicro", "", "keeps the image's name after the eject: only Inserted counts"),
    ("supermicro", "", "an insert may need a licence (SFT-OOB-LIC, SFT-DCMS-SINGLE); it is named if it is refused"),
    ("nvidia", "dgx", "asks for user name and password even for an open image: placeholders are sent when it does"),
    ("cisco", "", "its first slot is the console's alone and refuses images: the next one is tried"),
)


def quirks_of(connection: RedfishConnection, machine: Machine, login: Login) -> Iterator[str]:
    """What was recognised, in sentences for people."""
    if login.basic_because:
        yield f"no session: name and password are sent with each request ({login.basic_because})"
    yield from _of_system(connection, machine)
    slots = machine.read_slots()
    yield from _of_slots(connection, slots)
    maker, model = (machine.system.text(name) for name in ("Manufacturer", "Model"))
    for of_maker, of_model, habit in _KNOWN:
        if re.search(of_maker, maker, re.IGNORECASE) and re.search(of_model, model, re.IGNORECASE):
            yield habit


def _of_system(connection: RedfishConnection, machine: Machine) -> Iterator[str]:
    boot = BootSettings(connection, machine.system)
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
        if asked := _required(connection, slot):
            yield f"slot {slot.path} asks for {', '.join(asked)} besides the image"
        if slot.resource.flag("VerifyCertificate") is not None:
            yield f"slot {slot.path} can check the image server's certificate (VerifyCertificate)"


def _required(connection: RedfishConnection, slot: Slot) -> tuple[str, ...]:
    info = connection.find(slot.insert_action.info_path) if slot.insert_action else None
    listed = info.value("Parameters") if info else None
    described = [Resource("", one) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return tuple(one.text("Name") for one in described if one.flag("Required") and one.text("Name") != "Image")
