"""Whether the file of DHCP_PATH can be read now: said once when it is lost, and once when it is back."""

from pathlib import Path

from bringup import log

_log = log.get(__name__)


class Availability:
    """``why``: why the file cannot be read now; None while it can."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.why: str | None = None

    def lost(self, error: OSError) -> None:
        """It cannot be read; another reason than before is said again."""
        why = error.strerror or error.__class__.__name__
        if self.why != why:
            _log.warning("the file of DHCP_PATH cannot be read; waiting for it", path=str(self._path), why=why)
        self.why = why

    def back(self) -> None:
        """It can be read."""
        if self.why:
            _log.info("the file can be read again", path=str(self._path))
        self.why = None
