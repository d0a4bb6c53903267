"""Whatever happens to a file, in whatever order: what was written is what is read."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dhcp_tailer.follower import FileFollower
from dhcp_tailer.open_file import Position


class AnyHistory(RuleBasedStateMachine):
    """A server writes, logrotate rotates, the tailer looks, stops and starts."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = TemporaryDirectory()
        self.path = Path(self.directory.name) / "kea.log"
        self.follower = FileFollower(self.path)
        self.now = 1_700_000_000
        self.writer = self.open()
        self.written: list[bytes] = []
        self.read: list[bytes] = []
        self.begun = b""  # of the line that is being written
        self.write(1)
        self.look(10)  # once something was read, the file can be known again

    def open(self) -> int:
        writer = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.tick(writer)
        return writer

    @rule(size=st.integers(1, 60))
    def write(self, size: int) -> None:
        """A line, perhaps behind one that was only begun."""
        line = self.begun or f"{len(self.written)}:".encode() + b"x" * size
        os.write(self.writer, (b"" if self.begun else line) + b"\n")
        self.tick(self.writer)
        self.written.append(line)
        self.begun = b""

    @rule()
    def write_half(self) -> None:
        if not self.begun:
            self.begun = f"{len(self.written)}:half".encode()
            os.write(self.writer, self.begun)
            self.tick(self.writer)

    @rule(limit=st.integers(1, 10))
    def look(self, limit: int) -> None:
        for record in self.follower.poll(limit):
            assert record.damage is None
            self.read.append(record.data)
            self.follower.done(record)

    @rule()
    def restart(self) -> None:
        position = self.follower.position
        assert position is not None
        self.follower.close()
        self.follower = FileFollower(self.path, Position.model_validate_json(position.model_dump_json()))

    @initialize(copies=st.booleans())
    def configure(self, *, copies: bool) -> None:
        """How logrotate is configured: one way or the other, never both."""
        self.copies = copies

    @precondition(lambda self: not self.copies)
    @rule()
    def rename(self) -> None:
        self.make_room()
        self.path.rename(f"{self.path}.1")

    @rule()
    def reopen(self) -> None:
        if not self.begun:
            os.close(self.writer)
            self.writer = self.open()

    @precondition(lambda self: self.copies)
    @rule()
    def copytruncate(self) -> None:
        if not self.begun:
            self.make_room()
            shutil.copyfile(self.path, f"{self.path}.1")
            os.truncate(self.path, 0)
            self.tick(f"{self.path}.1", self.path)  # both in the same moment

    def tick(self, *files: int | str | Path) -> None:
        """A second passes: the steps of a test are quicker than a file system's clock."""
        self.now += 1
        for file in files:
            os.utime(file, (self.now, self.now))

    def make_room(self) -> None:
        if not self.path.exists():
            self.reopen_at_a_line_end()
        for number in range(60, 0, -1):
            older = Path(f"{self.path}.{number}")
            if older.exists():
                older.rename(f"{self.path}.{number + 1}")

    def reopen_at_a_line_end(self) -> None:
        if self.begun:
            self.write(1)
        self.reopen()

    @invariant()
    def nothing_is_read_that_was_not_written(self) -> None:
        assert self.read == self.written[: len(self.read)]

    def teardown(self) -> None:
        self.reopen_at_a_line_end()
        self.write(1)
        for _ in range(200):
            self.look(10)
        self.follower.close()
        os.close(self.writer)
        self.directory.cleanup()
        assert self.read == self.written


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(
    max_examples=settings().max_examples * 3 // 5,  # 60, and in the fast lane 12
    stateful_step_count=30,
    deadline=None,
)
