"""The vendors' own ways to put a medium in and to boot it, used only where the BMC has no standard way.

The rest of the driver does not distinguish them: a new one is a class here, and a line in one of the three functions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self
from urllib.parse import urlsplit

from requests import Response
from sushy.oem.dell.resources.manager.manager import DellManagerExtension

from bringup import errors, model
from workers.redfish.connection import RedfishConnection
from workers.redfish.resource import Action, Resource
from workers.redfish.tasks import follow

# The firmware from which on ``Cd`` means the virtual disc.
_FIRST_WITH_STANDARD = 6
# Dell's attributes of the one-time boot, and the values for the virtual disc and for none.
_DEVICE, _ONCE = "ServerBoot.1.FirstBootDevice", "ServerBoot.1.BootOnce"
_VIRTUAL, _NORMAL = "VCD-DVD", "Normal"
# Seconds for the import of a profile: one of two attributes takes half a minute.
_IMPORT_S = 120.0


class OemMedia(Protocol):
    """`insert` and `eject` send, and return the answer, whose task the caller follows.

    All raise BmcRefusal and NoAnswer.
    """

    @property
    def name(self) -> str:
        """What it is called in messages and in the documentation."""

    def state(self, connection: RedfishConnection) -> Resource:
        """The resource that shows what is in, read now."""

    def insert(self, connection: RedfishConnection, image_url: str) -> Response:
        """Put the image in."""

    def eject(self, connection: RedfishConnection) -> Response:
        """Take it out."""


class OemBoot(Protocol):
    """A vendor's own one-time boot from the virtual disc. All raise BmcRejected, BmcRefusal, NoAnswer."""

    @property
    def place(self) -> str:
        """The path that is written, for people."""

    def boot_once(self) -> None:
        """Boot the virtual disc at the next start, and only then."""

    def is_set(self) -> bool:
        """Whether `restore` would take one back, read now."""

    def restore(self) -> None:
        """Take it back where no boot has used it."""


def media_of_slot(slot: Resource) -> OemMedia | None:
    """The vendor's way to use a slot that the standard actions do not serve."""
    return VmmControl.of(slot)


def media_of_manager(connection: RedfishConnection, manager: Resource) -> Iterator[OemMedia]:
    """Discs that a manager has outside of the standard's collection."""
    yield from IsoConfig.of(connection, manager)


def boot_of_managers(connection: RedfishConnection, system: Resource, managers: list[Resource]) -> OemBoot | None:
    """The vendor's way to boot the virtual disc; None: the standard way does.

    Args:
        connection: to the BMC.
        system: the machine's system.
        managers: of that system.
    """
    found = (DellVirtualBoot.of(connection, system, manager) for manager in managers)
    return next((one for one in found if one), None)


@dataclass(frozen=True)
class VmmControl:
    """Huawei iBMC: ``VmmControl`` instead of InsertMedia and EjectMedia; it answers 202 and a task.

    Source: Huawei, iBMC Redfish API, "Connecting to virtual media"; python-ibmcclient drives it the same way.
    """

    slot: str
    target: str
    name: str = "Huawei VmmControl"

    @classmethod
    def of(cls, slot: Resource) -> Self | None:
        """The slot's own action, if it has it."""
        action = slot.action("VirtualMedia.VmmControl")
        return cls(slot.path, action.target) if action else None

    def state(self, connection: RedfishConnection) -> Resource:
        """The slot itself."""
        return connection.get(self.slot)

    def insert(self, connection: RedfishConnection, image_url: str) -> Response:
        """Put the image in."""
        return connection.post(self.target, {"VmmControlType": "Connect", "Image": image_url})

    def eject(self, connection: RedfishConnection) -> Response:
        """Take it out."""
        return connection.post(self.target, {"VmmControlType": "Disconnect"})


@dataclass(frozen=True)
class IsoConfig:
    """Supermicro X10 and early X11: the disc is configured in a resource of the manager's own, ``VM1/CfgCD``.

    Its address is set by PATCH in two pieces, and mounted by an action; a mounted disc appears in the collection of
    virtual media, which is empty before. Source: Supermicro, Redfish User's Guide, "Virtual Media" (IsoConfig.Mount).
    """

    path: str
    collection: str | None
    mount: str
    unmount: str
    name: str = "Supermicro IsoConfig"

    @classmethod
    def of(cls, connection: RedfishConnection, manager: Resource) -> Iterator[Self]:
        """The disc of this manager, where it has one."""
        collection = connection.find(manager.link("VirtualMedia"))
        for owner in filter(None, (collection, manager)):
            disc = connection.find(owner.link("Oem", "Supermicro", "VirtualMediaConfig"))
            mount, unmount = (disc.action(f"IsoConfig.{name}") if disc else None for name in ("Mount", "UnMount"))
            if disc and mount and unmount:
                yield cls(disc.path, collection.path if collection else None, mount.target, unmount.target)
                return

    def state(self, connection: RedfishConnection) -> Resource:
        """The mounted disc; an empty one while there is none."""
        mounted = [one for one in connection.members(self.collection) if one.flag("Inserted")]
        return mounted[0] if mounted else Resource(self.path, {"Inserted": False})

    def insert(self, connection: RedfishConnection, image_url: str) -> Response:
        """Put the image in."""
        address = urlsplit(image_url)
        where = {"Host": f"{address.scheme}://{address.netloc}", "Path": address.path}
        connection.patch(connection.get(self.path), where)
        return connection.post(self.mount, {})

    def eject(self, connection: RedfishConnection) -> Response:
        """Take it out."""
        return connection.post(self.unmount, {})


@dataclass(frozen=True)
class DellVirtualBoot:
    """Dell iDRAC 9 before firmware 6: ``Cd`` means a drive of the machine, and the virtual one is VCD-DVD.

    Newer firmware has the virtual media under the system and boots them with ``Cd``. sushy's own call for this imports
    a server profile and may restart the machine by itself, which no permit of ours allows; its profile is used here
    only where the attributes are not shown.

    Source: Dell, iDRAC 9 attribute registry, ServerBoot.1; sushy, oem/dell/resources/manager.
    """

    connection: RedfishConnection
    manager: Resource
    attributes: str | None
    profile_import: Action | None

    @classmethod
    def of(cls, connection: RedfishConnection, system: Resource, manager: Resource) -> Self | None:
        """Where this is an old iDRAC that has either way; else None.

        Args:
            connection: to the BMC.
            system: of the machine.
            manager: one of that system.
        """
        major = manager.text("FirmwareVersion").partition(".")[0]
        is_old = major.isdecimal() and int(major) < _FIRST_WITH_STANDARD and not system.link("VirtualMedia")
        if "dell" not in system.text("Manufacturer").casefold() or not is_old:
            return None
        places = (*manager.links("Links", "Oem", "Dell", "DellAttributes"), f"{manager.path.rstrip('/')}/Attributes")
        shown = next((path for path in places if _is_shown(connection, path)), None)
        action = manager.action("OemManager.ImportSystemConfiguration")
        return cls(connection, manager, shown, action) if shown or action else None

    @property
    def place(self) -> str:
        """Where it is set."""
        return self.attributes or (self.profile_import.target if self.profile_import else "")

    def boot_once(self) -> None:
        """Boot the virtual disc at the next start, and only then.

        Raises:
            BmcRejected: no_boot; it reads back differently.
            BmcRefusal, NoAnswer.
        """
        if self.attributes is None:
            self._import()
            return
        self._set(_VIRTUAL, once="Enabled")
        shown = self.connection.get(self.attributes).text("Attributes", _DEVICE)
        if shown != _VIRTUAL:
            message = f"the boot device was set to {_VIRTUAL} and reads back as {shown or 'nothing'}"
            raise errors.BmcRejected(message, reason=model.FailureReason.NO_BOOT)

    def is_set(self) -> bool:
        """Whether no boot has used it and it can be seen; the iDRAC ends a used one by itself."""
        if not self.attributes:
            return False
        return self.connection.get_ahead(self.attributes).text("Attributes", _DEVICE) == _VIRTUAL

    def restore(self) -> None:
        """Take it back where no boot has used it and it can be seen."""
        if self.is_set():
            self._set(_NORMAL, once="Disabled")

    def _set(self, device: str, *, once: str) -> None:
        current = self.connection.get_ahead(self.attributes or "")
        self.connection.patch(current, {"Attributes": {_ONCE: once, _DEVICE: device}})

    def _import(self) -> None:
        profile = DellManagerExtension.IDRAC_CONFIG_CD % (self.manager.text("Id"), "Enabled")
        body = {"ShareParameters": {"Target": ["ALL"]}, "ImportBuffer": profile}
        if self.profile_import:
            follow(self.connection, self.connection.post(self.profile_import.target, body), _IMPORT_S)


def _is_shown(connection: RedfishConnection, path: str) -> bool:
    found = connection.find(path)
    return found is not None and found.value("Attributes", _DEVICE) is not None
