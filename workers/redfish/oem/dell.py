"""iDRAC 9 before firmware 6: ``Cd`` means a drive of the machine, and the virtual one is VCD-DVD, a Dell attribute.

Newer firmware has the virtual media under the system and boots them with ``Cd``. sushy's own call for this imports a
server profile and may restart the machine by itself, which no permit of ours allows; its profile is used here only
where the attributes are not shown.

Source: Dell, iDRAC 9 attribute registry, ServerBoot.1; sushy, oem/dell/resources/manager.
"""

import re
from dataclasses import dataclass
from typing import Self

from sushy.oem.dell.resources.manager.manager import DellManagerExtension

from bringup.errors import BmcRejected
from bringup.model import FailureReason
from workers.redfish.connection import RedfishConnection
from workers.redfish.etags import patch_current
from workers.redfish.resource import Action, Resource
from workers.redfish.tasks import follow

_FIRST_WITH_STANDARD = 6
_DEVICE, _ONCE = "ServerBoot.1.FirstBootDevice", "ServerBoot.1.BootOnce"
_VIRTUAL, _NORMAL = "VCD-DVD", "Normal"
_IMPORT_S = 120.0  # an import of two attributes takes half a minute


@dataclass(frozen=True)
class VirtualBoot:
    """The one-time boot from the virtual disc of one manager."""

    connection: RedfishConnection
    manager: Resource
    attributes: str | None
    profile_import: Action | None

    @classmethod
    def of(cls, connection: RedfishConnection, system: Resource, manager: Resource) -> Self | None:
        """Where this is an old iDRAC that has either way; else None."""
        version = re.match(r"\d+", manager.text("FirmwareVersion"))
        is_old = version is not None and int(version[0]) < _FIRST_WITH_STANDARD and not system.link("VirtualMedia")
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
            Refusal, NoAnswer.
        """
        if self.attributes is None:
            self._import()
            return
        self._set(_VIRTUAL, once="Enabled")
        shown = self.connection.get(self.attributes).text("Attributes", _DEVICE)
        if shown != _VIRTUAL:
            message = f"the boot device was set to {_VIRTUAL} and reads back as {shown or 'nothing'}"
            raise BmcRejected(message, reason=FailureReason.NO_BOOT)

    def restore(self) -> None:
        """Take it back where no boot has used it and it can be seen; the iDRAC ends a used one by itself."""
        if self.attributes and self.connection.get_ahead(self.attributes).text("Attributes", _DEVICE) == _VIRTUAL:
            self._set(_NORMAL, once="Disabled")

    def _set(self, device: str, *, once: str) -> None:
        current = self.connection.get_ahead(self.attributes or "")
        patch_current(self.connection, current, {"Attributes": {_ONCE: once, _DEVICE: device}})

    def _import(self) -> None:
        profile = DellManagerExtension.IDRAC_CONFIG_CD % (self.manager.text("Id"), "Enabled")
        body = {"ShareParameters": {"Target": ["ALL"]}, "ImportBuffer": profile}
        if self.profile_import:
            follow(self.connection, self.connection.post(self.profile_import.target, body), _IMPORT_S)


def _is_shown(connection: RedfishConnection, path: str) -> bool:
    found = connection.find(path)
    return found is not None and found.value("Attributes", _DEVICE) is not None
