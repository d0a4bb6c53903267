"""The names of all devices, sorted: to read and sort 100,000 for each page would take a tenth of a second."""

from typing import NamedTuple

from api.state.documents import members
from api.state.redis import Database
from bringup import keys
from bringup.inventory import Inventory


class _Known(NamedTuple):
    """The names, and what they were read with."""

    inventory: Inventory | None
    seen: int
    last: int
    names: list[str]


class DeviceNames:
    """Keeps the names as long as none is new."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known = _Known(None, 0, 0, [])

    def all(self, inventory: Inventory, seen: int, last: int) -> list[str]:
        """Of every device of the inventory and every one that was seen, sorted.

        No device is ever taken out of the set: its size shows whether one is new. A Redis that has lost changes may
        hold others; its last change has a lower number.

        Args:
            inventory: as it is now.
            seen: how many devices Redis holds.
            last: the number of the last change.

        Raises:
            RedisUnavailable: Redis does not answer.
        """
        known = self._known
        if known.inventory is not inventory or known.seen != seen or last < known.last:
            names = sorted(set(members(self._database, keys.DEVICES)) | set(inventory.by_name))
            known = _Known(inventory, seen, last, names)
        self._known = known._replace(last=last)
        return known.names
