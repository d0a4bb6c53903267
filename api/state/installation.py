"""Whether Redis still holds what was written to it: that machines are in service, validated, in maintenance.

A Redis that has lost data (flushed, another database, an older backup, a replica that was behind) would make
machines look approved and never touched. So each API host keeps in STATE_DIR the id of the installation and the
highest change number that it has seen. While Redis holds another id, or is behind that number, every machine is
withheld until a person has looked (``bringup api --accept-redis``). The first host that notices it notes it in Redis,
so that it holds for all hosts, also when new changes have made up the number.
"""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from api.blocking import in_a_thread
from api.state.batch import Asked, Batch
from api.state.change_memory import ChangeMemory, Remembered, SeenChanges
from api.state.changes import Changes, Loss, Recorded
from api.state.durability import Durability
from api.state.redis import Database
from bringup import errors, files, outages
from bringup.settings import Settings

_Content = TypeVar("_Content")
_OwnFiles = tuple[str | None, Remembered | None]  # the id of the installation, and the change, that we remember
# In STATE_DIR: what this host remembers when Redis has lost everything.
ID_FILE = "api-installation"
MEMORY_FILE = "api-change-number"
# One hint for every reason: the person must look before machines are powered again.
_HINT = "look at `bringup devices`, then start the API once with --accept-redis"
_FORGOTTEN = "Redis does not remember this installation (lost data, another database?)"


@dataclass(frozen=True)
class InstallationStatus:
    """What Redis holds, compared with what this host remembers.

    Args:
        number: the last change that Redis holds; None: it was not asked.
        missing: how many changes it has lost.
        withheld: why no machine may be touched now; None: Redis has lost nothing.
    """

    number: int | None = None
    missing: int = 0
    withheld: str | None = None


class Installation:
    """Compares what Redis holds with the files in STATE_DIR.

    Raises:
        SettingsError: STATE_DIR cannot be made or written.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        folder = settings.state_dir
        _check(folder)
        self._database = database
        self._changes = Changes(database)
        self._id_path = folder / ID_FILE
        self._memory = ChangeMemory(folder / MEMORY_FILE)
        self._seen = SeenChanges(self._memory, Durability(database, settings), self._changes.confirmed)
        self._alarm = outages.Alarm("api", "every machine is withheld", "machines are no longer withheld")

    def withheld(self) -> str | None:
        """Why no machine may be touched now; None: Redis has lost nothing.

        Raises:
            RedisUnavailable: it does not answer.
        """
        return self.status().withheld

    def status(self) -> InstallationStatus:
        """What Redis holds, compared with what this host remembers.

        Raises:
            RedisUnavailable: it does not answer.
        """
        own = self._own_files()
        return self._reported(own, self._changes.look())

    def ask(self, batch: Batch) -> Asked[InstallationStatus]:
        """The same, read with other things."""
        # Our files are read first: a change that is made meanwhile then makes Redis newer, not older.
        own = self._own_files()
        memory = None if isinstance(own, errors.StateDirUnavailable) else own[1]
        recorded = self._changes.ask(batch, _number_of(memory))
        return lambda: self._reported(own, recorded())

    @property
    def not_remembering(self) -> str | None:
        """Why changes cannot be written down now, and so no power can be permitted."""
        return self._seen.alarm.why

    def saw(self, number: int) -> None:
        """A change of ours is in Redis."""
        self._seen.add(number)

    def secure(self, number: int) -> None:
        """Return when this change of ours cannot be lost any more and is remembered.

        Raises:
            TransientError: it may be lost; nothing may rest on it.
        """
        self._seen.secure(number)

    def accept(self) -> None:
        """A person has checked what Redis holds now, and accepts it."""
        recorded = self._changes.accept(_unless_damaged(self._own_id), self._remembered_or_nothing())
        self._adopt(str(recorded.installation))
        self._memory.replace(recorded.number)

    def _own_files(self) -> _OwnFiles | errors.StateDirUnavailable:
        try:
            return self._own_id(), self._memory.read()
        except errors.StateDirUnavailable as error:
            return error

    def _reported(self, own: _OwnFiles | errors.StateDirUnavailable, recorded: Recorded) -> InstallationStatus:
        try:
            if isinstance(own, errors.StateDirUnavailable):
                raise own
            status = self._compared(own, recorded)
        # Fail closed: without its memory this host cannot know whether Redis has lost data.
        except errors.StateDirUnavailable as error:
            status = InstallationStatus(
                withheld=f"whether Redis has lost data is not known: {error}; repair STATE_DIR, {_HINT}"
            )
        if status.withheld:
            self._alarm.report(status.withheld)
        else:
            self._alarm.clear()
        return status

    def _compared(self, own: _OwnFiles, recorded: Recorded) -> InstallationStatus:
        own_id, memory = own
        remembered = _number_of(memory)
        if own_id is None:
            self._adopt(recorded.installation or self._changes.join())
        elif recorded.installation != own_id:
            return self._forgotten(recorded, remembered)
        loss = self._loss(recorded, remembered)
        if loss:
            return InstallationStatus(recorded.number, loss.missing, _in_words(loss))
        if recorded.number > remembered:
            self._seen.add(recorded.number)
        return InstallationStatus(recorded.number)

    def _forgotten(self, recorded: Recorded, remembered: int) -> InstallationStatus:
        """A Redis with another id may belong to another installation: nothing is noted there, only in an empty one."""
        loss = None if recorded.installation else self._loss(recorded, remembered)
        if loss is None:
            return InstallationStatus(recorded.number, 0, f"{_FORGOTTEN}; {_HINT}")
        return InstallationStatus(recorded.number, loss.missing, f"{_FORGOTTEN}; {_in_words(loss)}")

    def _loss(self, recorded: Recorded, remembered: int) -> Loss | None:
        if recorded.number >= remembered:
            return recorded.loss
        host = socket.gethostname()
        try:
            return self._changes.note_loss(host, remembered)
        except errors.CorruptRecord:
            raise  # whether anything is lost is known once the number is repaired
        except (errors.RedisUnavailable, errors.PermanentError):
            # It may refuse writes; this host knows of the loss all the same.
            return recorded.loss or Loss("", host, recorded.number, recorded.at, remembered)

    def _remembered_or_nothing(self) -> int:
        return _number_of(_unless_damaged(self._memory.read))

    def _own_id(self) -> str | None:
        try:
            return self._id_path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise errors.StateDirUnavailable(f"{self._id_path} cannot be read: {error}") from error

    def _adopt(self, installation: str) -> None:
        try:
            in_a_thread(partial(files.write_atomically, self._id_path, installation + "\n"))
        except OSError as error:
            raise errors.StateDirUnavailable(f"{self._id_path} cannot be written: {error.strerror}") from error


def _number_of(memory: Remembered | None) -> int:
    return memory.number if memory else 0


def _unless_damaged(read: Callable[[], _Content | None]) -> _Content | None:
    """The content of a file; None when it cannot be read: it is replaced, for a person has accepted that."""
    try:
        return read()
    except errors.StateDirUnavailable:
        return None


def _in_words(loss: Loss) -> str:
    recorded = f"it holds changes up to {loss.number}" + (f", of {loss.at}" if loss.at else "")
    since = f" (noticed {loss.since})" if loss.since else ""
    return (
        f"Redis has lost {loss.missing} changes (an older backup, a replica that was behind?): {recorded}, "
        f"and the API host {loss.host} has seen {loss.remembered}{since}; {_HINT}"
    )


def _check(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise errors.SettingsError([f"STATE_DIR: {folder} cannot be made: {error.strerror}"]) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise errors.SettingsError([f"STATE_DIR: {folder} cannot be written by this user"])
