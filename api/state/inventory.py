"""The inventory as it stands on disk now: read again when the file changes.

A file that has become wrong stops new decisions (503, retried by the workers) instead of being replaced by
what it said before: it may have been edited to protect a machine.
"""

from pathlib import Path
from threading import Lock

from bringup.errors import InventoryError
from bringup.inventory import Inventory

_Signature = tuple[int, int, int]


class InventoryFile:
    """The devices of ``path``, current at every call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._signature: _Signature | None = None
        self._inventory = Inventory()

    def current(self) -> Inventory:
        """The inventory. Raises InventoryError when the file is missing or wrong."""
        signature = self._stat()
        with self._lock:
            if signature != self._signature:
                self._inventory = Inventory.read(self._path)
                self._signature = signature
            return self._inventory

    def _stat(self) -> _Signature:
        try:
            status = self._path.stat()
        except OSError as error:
            raise InventoryError([f"{self._path}: {error.strerror}; create it or set DEVICES_FILE"]) from None
        return (status.st_ino, status.st_size, status.st_mtime_ns)
