"""The slots for virtual media of one BMC: which there are, what is in them, and how a medium gets in and out.

Source: Redfish schema VirtualMedia (MediaTypes, Inserted, Image, ConnectedVia, InsertMedia, EjectMedia), DSP0266
s.7.9.1 (ActionInfo).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from requests import Response

from bringup.text import image_secret
from workers.redfish.connection import RedfishConnection
from workers.redfish.oem import OemMedia, media_of_manager, media_of_slot
from workers.redfish.refusal import BmcRefusal
from workers.redfish.resource import Action, Resource

# Media types that a machine sees as a disc drive.
_DISCS = frozenset({"cd", "dvd"})
# Refused inserts that are sent again with a parameter more: each of `_extras` can be asked for once.
_MAX_ADDITIONS = 4
# What a NVIDIA DGX wants even for an open image; it takes no empty ones. Source: sushy, OpenStack bug 2071945.
_NO_CREDENTIAL = "none"


@dataclass(frozen=True)
class Slot:
    """One slot.

    Args:
        resource: as it was read last.
        under: "system" (since VirtualMedia 1.4) or "manager".
        oem: the vendor's own way, where the slot has no standard one.
    """

    resource: Resource
    under: str
    oem: OemMedia | None = None

    @property
    def path(self) -> str:
        """What it is called on this BMC."""
        return self.resource.path

    @property
    def insert_action(self) -> Action | None:
        """The standard action, if it has it."""
        return self.resource.action("VirtualMedia.InsertMedia")

    @property
    def way(self) -> str:
        """How a medium gets in: by "action", by "patch" (Lenovo EXT, iLO 4), by the vendor's way, or "none"."""
        if self.insert_action:
            return "action"
        if self.oem:
            return self.oem.name
        return "patch" if "Image" in self.resource.body else "none"

    @property
    def is_disc(self) -> bool | None:
        """Whether a machine sees a disc drive in it; None when the BMC does not report it."""
        types = {one.casefold() for one in self.resource.texts("MediaTypes")}
        return bool(types & _DISCS) if types else None

    @property
    def image(self) -> str:
        """What the BMC shows of the medium; some shorten it, and some keep it after the eject."""
        return self.resource.text("Image") or self.resource.text("ImageName")

    @property
    def is_empty(self) -> bool:
        """Whether no medium is in; the schema lets a BMC omit Inserted."""
        inserted = self.resource.flag("Inserted")
        if inserted is None:
            return not self.image or self.resource.text("ConnectedVia") == "NotConnected"
        return not inserted

    def holds(self, image_url: str) -> bool:
        """Whether this image is in.

        Some BMCs shorten the address that they show; the name of the file is the least they keep. The images of
        all runs have one name: where the secret is shown too, it decides.
        """
        is_ours = image_secret(self.image) in {None, image_secret(image_url)}
        return not self.is_empty and is_ours and _file_name(self.image) in {"", _file_name(image_url)}

    def reread(self, connection: RedfishConnection) -> "Slot":
        """The slot as it is now."""
        now = self.oem.state(connection) if self.oem else connection.get(self.path)
        return replace(self, resource=now)

    def insert(self, connection: RedfishConnection, image_url: str) -> Response:
        """Send the request that puts the image in. Raises as `RedfishConnection.post`."""
        if self.insert_action:
            return _post_insert(connection, self.insert_action, image_url)
        if self.oem:
            return self.oem.insert(connection, image_url)
        # Source: sushy; a Lenovo SD530 mounts nothing without Inserted.
        full = {"Image": image_url, "Inserted": True, "WriteProtected": True}
        try:
            return connection.patch(self.resource, full)
        except BmcRefusal as refusal:
            if not (refusal.names("Inserted") or refusal.names("WriteProtected")):
                raise
            return connection.patch(self.resource, {"Image": image_url})

    def eject(self, connection: RedfishConnection) -> Response:
        """Send the request that takes the medium out. Raises as `RedfishConnection.post`."""
        if action := self.resource.action("VirtualMedia.EjectMedia"):
            return connection.post(action.target, {})  # an iLO wants a body, and the others allow one
        if self.oem:
            return self.oem.eject(connection)
        return connection.patch(connection.get_ahead(self.path), {"Image": None, "Inserted": False})


def usable(slots: list[Slot]) -> list[Slot]:
    """The slots that can hold our disc, in the order in which they are tried.

    One that a machine sees as a disc comes before one that does not show it, one with an action before one that is
    patched: Lenovo's RDOC slots refuse what its EXT slots take, Cisco's first slot is the console's alone. A
    vendor's own way counts only where the BMC has no other.
    """
    able = [slot for slot in slots if slot.way != "none" and slot.is_disc is not False]
    standard = [slot for slot in able if slot.oem is None]
    return sorted(standard or able, key=lambda slot: (slot.is_disc is None, slot.way != "action"))


def slots_of(connection: RedfishConnection, system: Resource, managers: list[Resource]) -> list[Slot]:
    """Every slot of the BMC, in its own order, each once: the system's, then its managers'.

    Args:
        connection: to the BMC.
        system: the machine's system.
        managers: of that system.
    """
    found: dict[str, Slot] = {}
    for under, owner in (("system", system), *(("manager", manager) for manager in managers)):
        for resource in connection.members(owner.link("VirtualMedia")):
            slot = Slot(resource, under)
            if slot.insert_action is None:
                slot = replace(slot, oem=media_of_slot(resource))
            found.setdefault(resource.path.casefold().rstrip("/"), slot)
    if not usable(list(found.values())):
        found |= {slot.path: slot for slot in _of_managers(connection, managers)}
    return list(found.values())


def _of_managers(connection: RedfishConnection, managers: list[Resource]) -> Iterator[Slot]:
    for manager in managers:
        for oem in media_of_manager(connection, manager):
            yield Slot(oem.state(connection), "manager", oem)


def _file_name(address: str) -> str:
    try:
        return urlsplit(address.replace("\\", "/")).path.rpartition("/")[2]
    except ValueError:
        return address.rpartition("/")[2]


def _post_insert(connection: RedfishConnection, action: Action, image_url: str) -> Response:
    """Send the image alone, and what else the BMC asks for: Supermicro refuses every parameter that it does not know.

    What a BMC asks for is in its ActionInfo, or in its refusal; a refused request has changed nothing.
    """
    extras = _extras(image_url)
    required = {one.text("Name") for one in connection.parameters(action) if one.flag("Required")}
    known = extras | {"Inserted": True, "WriteProtected": True}
    payload: dict[str, object] = {"Image": image_url} | {name: known[name] for name in known if name in required}
    # A refusal that names a missing parameter is answered with it: a BMC without ActionInfo shows it in no other way.
    for _ in range(_MAX_ADDITIONS):
        try:
            return connection.post(action.target, payload)
        except BmcRefusal as refusal:
            missing = {name: extras[name] for name in extras if refusal.names(name) and name not in payload}
            if not missing or refusal.status_code not in {400, 422}:
                raise
            payload |= _with_password(missing)
    return connection.post(action.target, payload)


def _extras(image_url: str) -> dict[str, object]:
    """What some BMCs want besides the image."""
    protocol = image_url.partition(":")[0].upper()
    return {
        "TransferProtocolType": protocol,
        "TransferMethod": "Stream",
        "UserName": _NO_CREDENTIAL,
        "Password": _NO_CREDENTIAL,
    }


def _with_password(missing: dict[str, object]) -> dict[str, object]:
    """One of the two is asked for by name, and the other is wanted with it."""
    if missing.keys() & {"UserName", "Password"}:
        return missing | {"UserName": _NO_CREDENTIAL, "Password": _NO_CREDENTIAL}
    return missing
