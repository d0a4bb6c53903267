"""Supermicro X10 and early X11: the disc is set up in a resource of the manager's own, ``VM1/CfgCD``.

Its address is set by PATCH in two pieces, and mounted by an action; a mounted disc appears in the collection of
virtual media, which is empty before. Source: Supermicro, Redfish User's Guide, "Virtual Media" (IsoConfig.Mount).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from requests import Response

from workers.redfish.connection import RedfishConnection
from workers.redfish.etags import patch_current
from workers.redfish.resource import Resource

_MOUNT, _UNMOUNT = "IsoConfig.Mount", "IsoConfig.UnMount"


@dataclass(frozen=True)
class IsoConfig:
    """The configured disc of one manager."""

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
            mount, unmount = (disc.action(name) if disc else None for name in (_MOUNT, _UNMOUNT))
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
        patch_current(connection, connection.get(self.path), where)
        return connection.post(self.mount, {})

    def eject(self, connection: RedfishConnection) -> Response:
        """Take it out."""
        return connection.post(self.unmount, {})
