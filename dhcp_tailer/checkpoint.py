"""The checkpoint: how far the records are safely in Redis.

It is a whole one, ``tail-SOURCE-NAME.json``, and the changes since: a journal, ``tail-SOURCE-NAME.KEY.journal``. The
key is that of the whole one which the journal belongs to, so that both are replaced in one step: the journal of a new
whole one is there before it is, and that of the old one is of no use from then on.
"""

from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from bringup.errors import PermanentError
from bringup.files import write_atomically
from dhcp_tailer.journal import JournalHead, journal_file, journals, whole_lines
from dhcp_tailer.open_file import Position
from dhcp_tailer.sources.parser import Parser

# Looks at a checkpoint that its tailer replaces meanwhile: one new whole one in some minutes is much.
_LOOKS = 5


class Progress(BaseModel):
    """How far the records are done, and what became of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    position: Position
    counts: dict[str, int] = {}  # records by outcome, up to this position
    last_record_at: datetime | None = None
    first_start: datetime | None = None  # of a tailer that has not read all yet that was in the file then


class JournalEntry(Progress):
    """One line of a journal, behind the first: the progress, and what has changed in the parser's state since."""

    changes: JsonValue


class Checkpoint(Progress):
    """Position, parser's state and counts belong together: one file, written in one step.

    As it is read, all but the state are those of the last entry of its journal: what has changed in the state since is
    in ``changes``.
    """

    version: Literal[2] = 2
    source: str
    path: str
    state: JsonValue  # what the parser must know to read on
    changes: list[JsonValue] = Field(default=[], exclude=True)
    reader: str = Field(default="", exclude=True)  # of the journal; empty: there is none

    @model_validator(mode="before")
    @classmethod
    def _from_version_1(cls, document: Any) -> Any:
        """In version 1 the state was called memory."""
        if not isinstance(document, dict) or document.get("version") != 1 or "memory" not in document:
            return document
        rest = {name: value for name, value in document.items() if name != "memory"}
        return rest | {"version": 2, "state": document["memory"]}

    @property
    def key(self) -> str:
        """Names its journal: two checkpoints of one tailer that have the same hold the same."""
        return sha256(self.model_dump_json(exclude={"state"}).encode()).hexdigest()[:16]

    def restore(self, parser: Parser) -> None:
        """Give the parser its state. Raises ValueError."""
        parser.restore(self.state)
        for changes in self.changes:
            parser.apply(changes)

    def with_journal(self, text: bytes) -> Self:
        """Brought up to date by its journal, as far as that is whole; one of a later version is ignored."""
        try:
            head, *rest = whole_lines(text)
            reader = JournalHead.model_validate_json(head).reader
        except ValueError:
            return self
        entries = [JournalEntry.model_validate_json(line) for line in rest]
        progress = {name: getattr(entries[-1], name) for name in Progress.model_fields} if entries else {}
        changes = [entry.changes for entry in entries]
        return self.model_copy(update={**progress, "changes": changes, "reader": reader})


def checkpoint_file(state_dir: Path, source: str, path: Path) -> Path:
    """Where the checkpoint is: each source and file have one of their own.

    Args:
        state_dir: STATE_DIR.
        source: DHCP_SOURCE.
        path: DHCP_PATH.
    """
    name = sha256(str(path.absolute()).encode(errors="surrogateescape")).hexdigest()[:12]
    return state_dir / f"tail-{source}-{name}.json"


def read_checkpoint(file: Path) -> Checkpoint | None:
    """The checkpoint in ``file`` with what its journal holds; None if there is none.

    Raises:
        ValueError: it is damaged. A journal that is damaged ends before that.
        PermanentError: it cannot be read; to begin anew would hide that.
    """
    try:
        whole = _read_whole(file)
        for _ in range(_LOOKS):
            try:
                return whole and whole.with_journal(journal_file(file, whole.key).read_bytes())
            except FileNotFoundError:
                # There is none after a stop, nor beside a checkpoint of an earlier version; or the tailer has just
                # replaced both.
                before, whole = whole, _read_whole(file)
                if whole == before:
                    break
    except OSError as error:
        raise PermanentError(f"{error.filename or file} cannot be read: {error.strerror}; check STATE_DIR") from None
    return whole


def saved_at(file: Path) -> datetime | None:
    """When the checkpoint in ``file`` or its journal was written; None if there is none."""
    times = []
    for each in (file, *journals(file)):
        with suppress(FileNotFoundError):  # its tailer has just replaced it
            times.append(each.stat().st_mtime)
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _read_whole(file: Path) -> Checkpoint | None:
    try:
        return Checkpoint.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None


def write_checkpoint(file: Path, checkpoint: Checkpoint) -> None:
    """Replace ``file`` in one step, mode 0600: after a crash it is the old one or the new one.

    Raises:
        OSError: it cannot be written; the old one is still there.
    """
    # We hold the lock of this checkpoint: one name for the temporary file, so that no kill can leave many of them.
    write_atomically(file, checkpoint.model_dump_json(), sole_writer=True)
