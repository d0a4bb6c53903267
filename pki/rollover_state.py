"""How far a CA rollover has come, on the disk."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pki.errors import Damaged
from pki.files import read


class Stage(StrEnum):
    """Each stage can only be followed by the next; after the last, the rollover is over."""

    TRUST = "trust"  # both CAs are trusted, the old one signs
    CLIENTS = "clients"  # the new one signs; clients have certificates of it
    SERVERS = "servers"  # servers too


@dataclass(frozen=True)
class RolloverState:
    """``stage`` is None when no rollover is under way."""

    folder: Path
    stage: Stage | None = None
    since: datetime | None = None

    @classmethod
    def read(cls, state: Path) -> "RolloverState":
        """What stands in the private folder of a PKI. Raises Damaged."""
        folder = state / "rollover"
        path = folder / "stage.json"
        if not path.exists():
            return cls(folder)
        try:
            raw = json.loads(read(path))
            stage = Stage(raw["stage"]) if raw["stage"] else None
            return cls(folder, stage, datetime.fromisoformat(raw["since"]))
        except (ValueError, KeyError, TypeError):
            raise Damaged(
                f"{path} cannot be read as the stage of a rollover", hint="restore it from a backup"
            ) from None

    @property
    def file(self) -> Path:
        """Where the stage is kept."""
        return self.folder / "stage.json"

    @property
    def key_file(self) -> Path:
        """The key of the CA that does not sign: the new one at first, then the old one."""
        return self.folder / "other-key.pem"

    def at(self, stage: Stage | None, now: datetime) -> bytes:
        """The contents of the file at another stage."""
        return json.dumps({"stage": stage, "since": now.isoformat()}).encode()
