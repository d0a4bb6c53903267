"""A saver of checkpoints whose checkpoints are always due, and its journal as a kill leaves it."""

from pathlib import Path

from dhcp_tailer.accounting import Accounting
from dhcp_tailer.open_file import Position, digest
from dhcp_tailer.saver import Saver
from dhcp_tailer.sources.parser import Parser


class Clock:
    """Time passes with each look at it: every checkpoint is due."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def at(offset: int) -> Position:
    return Position(device=1, inode=2, offset=offset, written_ns=3, head_sha256=digest(b""))


def saver_of(file: Path, parser: Parser, accounting: Accounting | None = None) -> Saver:
    return Saver(file, parser=parser, path=Path("/x"), accounting=accounting, clock=Clock())


def flushed(saver: Saver) -> Path:
    """Its journal, with all that was appended to it, as a kill leaves it."""
    assert saver._journal
    saver._journal.end(wait=True)
    return saver._journal.file
