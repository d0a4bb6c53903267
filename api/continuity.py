"""Whether Redis still remembers what it was told: that machines are in service, validated, in maintenance.

A Redis that has lost its data (flushed, another database, an old backup) would make every machine of the
inventory look approved and never touched. So an id stands both in Redis and in STATE_DIR: as long as the two
differ, every machine is withheld, until a person has looked (``bringup api --accept-redis``).
"""

import os
import secrets
from pathlib import Path

from api import keys
from api.database import Database
from bringup.errors import SettingsError

FORGOTTEN = (
    "Redis does not remember this installation (lost data, another database, an old backup?); "
    "look at `bringup devices`, then start the API once with --accept-redis"
)


class Continuity:
    """Compares the id in Redis with the one in ``path``.

    Raises:
        SettingsError: the folder of ``path`` cannot be written.
    """

    def __init__(self, database: Database, path: Path) -> None:
        self._database = database
        self._path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError([f"STATE_DIR: {path.parent} cannot be made: {error.strerror}"]) from None
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise SettingsError([f"STATE_DIR: {path.parent} cannot be written by this user"])

    def problem(self) -> str | None:
        """Why no machine may be touched now; None: Redis remembers."""
        if not self._path.exists():
            self._adopt(self._there() or self._new_id())
            return None
        there = self._there()  # only now: who made the file, perhaps just now, had told Redis before
        return None if there is not None and there == self._here() else FORGOTTEN

    def accept(self) -> None:
        """A person has looked at what Redis holds now, and answers for it."""
        self._adopt(self._there() or self._new_id())

    def _here(self) -> str:
        return self._path.read_text(encoding="ascii").strip()

    def _there(self) -> str | None:
        stored = self._database.string(keys.INSTALLATION)
        return stored.decode() if stored else None

    def _new_id(self) -> str:
        """Of several processes that start at once, one names the installation."""
        with self._database.errors():
            self._database.connection.set(keys.INSTALLATION, secrets.token_hex(16), nx=True)
        return str(self._there())

    def _adopt(self, installation: str) -> None:
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        fresh.write_text(installation + "\n", encoding="ascii")
        fresh.replace(self._path)
