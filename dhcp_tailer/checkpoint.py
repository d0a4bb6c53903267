"""The checkpoint: how far the records are safely in Redis, and what the source must remember for the rest."""

import os
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from bringup.errors import PermanentError
from dhcp_tailer.position import Position


class Checkpoint(BaseModel):
    """Position, memory and counts belong together: one file, written in one step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    source: str
    path: str
    position: Position
    memory: JsonValue
    counts: dict[str, int] = {}  # records by outcome, up to this position
    last_record_at: datetime | None = None


def checkpoint_file(state_dir: Path, source: str, path: Path) -> Path:
    """Where the checkpoint of ``source`` following ``path`` lies: a file of its own for each."""
    name = sha256(str(path.absolute()).encode(errors="surrogateescape")).hexdigest()[:12]
    return state_dir / f"tail-{source}-{name}.json"


def read_checkpoint(file: Path) -> Checkpoint | None:
    """The checkpoint in ``file``; None if there is none.

    Raises:
        ValueError: it is damaged.
        PermanentError: it cannot be read; to begin anew would hide that.
    """
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PermanentError(f"{file} cannot be read: {error.strerror}; check STATE_DIR") from None
    return Checkpoint.model_validate_json(text)


def write_checkpoint(file: Path, checkpoint: Checkpoint) -> None:
    """Replace ``file`` in one step, mode 0600: a crash leaves the old one or the new one. Raises OSError."""
    temporary = file.with_name(f".{file.name}.new")  # one name, ours while we hold the lock: a kill leaves no litter
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(checkpoint.model_dump_json())
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)
