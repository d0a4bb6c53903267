"""The MAC addresses of the inventory, as it stands now."""

from pathlib import Path

from bringup import log
from bringup.errors import InventoryError
from bringup.inventory import Inventory

_log = log.get(__name__)
_Signature = tuple[int, int, int]


class KnownMachines:
    """Whether a MAC is in the inventory file, which may change while we run."""

    def __init__(self, path: Path) -> None:
        """Read the inventory. Raises InventoryError: at the start, a mistake in it is better said than guessed over."""
        self._path = path
        self._read_as = _signature(path)
        self._inventory: Inventory | None = Inventory.read(path)

    def __call__(self, mac: str) -> bool:
        """Whether ``mac`` belongs to a machine of ours.

        While the inventory cannot be read, everybody's may: a lease left out is lost, one let through is judged
        again by the API, which powers nothing that it does not know.
        """
        if (signature := _signature(self._path)) != self._read_as:
            self._read_as, self._inventory = signature, self._read()
        return self._inventory is None or self._inventory.device_of(mac) is not None

    def _read(self) -> Inventory | None:
        try:
            return Inventory.read(self._path)
        except InventoryError as error:
            _log.error("the inventory cannot be read; no lease is left out until it can", why=str(error))
            return None


def _signature(path: Path) -> _Signature | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
