"""Huawei iBMC: ``VmmControl`` instead of InsertMedia and EjectMedia; it answers 202 and a task.

Source: Huawei, iBMC Redfish API, "Connecting to virtual media"; python-ibmcclient drives it the same way.
"""

from dataclasses import dataclass
from typing import Self

from requests import Response

from workers.redfish.connection import RedfishConnection
from workers.redfish.resource import Resource

_ACTION = "VirtualMedia.VmmControl"


@dataclass(frozen=True)
class VmmControl:
    """The action of one slot."""

    slot: str
    target: str
    name: str = "Huawei VmmControl"

    @classmethod
    def of(cls, slot: Resource) -> Self | None:
        """The slot's own action, if it has it."""
        action = slot.action(_ACTION)
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
