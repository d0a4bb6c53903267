"""The inventory file of this host, as it was read last, and whether it has changed since.

A small file is read by the request that finds it changed. While a large one is read, requests go on with what it held
before; nothing is decided by that: no lease, and no permit (`require_unchanged`).
"""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock, Thread

from api.state.inventory_cache import RETRY_S, InventoryRead, read_by_another, read_directly
from bringup import errors, files, log
from bringup.inventory import Inventory

# Bytes: some 300 entries, parsed in 40 ms. To start a process for them would cost ten times as much.
_LARGE = 65_536
# Seconds: 10,000 entries are read in less.
_READ_IN_S = 3.0


class InventoryFile:
    """Reads the inventory file again when it has changed. Threads may share it.

    Args:
        path: DEVICES_FILE.
        cache: of a large one, for all processes of this host; in STATE_DIR.
        first: what was read of it before this process began; None: nothing.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        path: Path,
        cache: Path,
        first: InventoryRead | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._cache = cache
        self._clock = clock
        # Without it each of many threads would read the same change, and an earlier content could replace a later one.
        self._lock = Lock()
        self._read = first
        self._error: errors.InventoryError | None = None
        self._signature = first.signature if first else None  # of what was read or found wrong last
        self._retry_at = 0.0

    def current(self) -> InventoryRead:
        """What the file holds, or of a large one that is just being read, what it held before.

        Raises:
            InventoryError: it is wrong or missing. What it held before does not count any more: the edit may have been
                meant to protect a machine.
        """
        signature = files.signature(self._path)
        if self._must_read(signature):
            self._read_again(signature)
        if self._error:
            raise self._error.with_traceback(None)
        if self._read is None:
            raise errors.InventoryError([f"{self._path} is being read"])
        return self._read

    def inventory(self) -> Inventory:
        """The same without its summaries. Raises InventoryError."""
        return self.current().inventory

    def require_unchanged(self, used: InventoryRead | None = None) -> None:
        """Before anything is decided by what `current` returns: an edit may have been meant to protect a machine.

        Args:
            used: what was current before anything that is decided by was read; None: nothing was read yet.

        Raises:
            NotYet: the file has changed, and is being read or has been read since.
            InventoryError: it is wrong.
        """
        now = self.current()
        if now.signature != files.signature(self._path) or now is not (used or now):
            text = f"{self._path} has changed and is being read: nothing is decided until then"
            raise errors.NotYet(text, retry_in_s=_READ_IN_S)

    def _must_read(self, signature: files.Signature | None) -> bool:
        is_known = (self._read or self._error) and signature == self._signature
        return not is_known or (self._error is not None and self._clock() >= self._retry_at)

    def _read_again(self, signature: files.Signature | None) -> None:
        if self._read is None or not _is_large(signature):
            with self._lock:
                # Another thread may have read it while this one waited.
                if self._must_read(signature):
                    self._take(self._read_large if _is_large(signature) else read_directly)
        elif self._lock.acquire(blocking=False):
            log.get("api").info("DEVICES_FILE has changed and is being read", path=str(self._path))
            Thread(target=self._read_beside_requests, daemon=True).start()

    def _read_beside_requests(self) -> None:
        """Read the file until what was read is what it holds; with the lock, which one process takes for this."""
        try:
            while self._must_read(files.signature(self._path)):
                self._take(self._read_large)
        finally:
            self._lock.release()

    def _take(self, read: Callable[[Path], InventoryRead]) -> None:
        signature = files.signature(self._path)
        try:
            found = read(self._path)
        except errors.InventoryError as error:
            self._error, self._signature = error, signature
            self._retry_at = self._clock() + (RETRY_S if _is_large(signature) else files.RETRY_S)
        else:
            self._read, self._error, self._signature = found, None, found.signature

    def _read_large(self, path: Path) -> InventoryRead:
        try:
            signature = files.signature(path)
            found = read_by_another(path, self._cache, signature) if signature else None
        except OSError as error:
            log.get("api").warning("DEVICES_FILE is read by the API itself", why=str(error))
            found = None
        return found or read_directly(path)


def _is_large(signature: files.Signature | None) -> bool:
    return signature is not None and signature.size >= _LARGE
