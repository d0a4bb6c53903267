"""A followed file in a directory of its own, and the world around it made of plain functions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bringup.model import LeaseEvent
from dhcp_tailer.follower import FileFollower
from dhcp_tailer.sources.dnsmasq_log import DnsmasqLog
from dhcp_tailer.sources.parser import Skip

Logged = list[Any]


@pytest.fixture(autouse=True)
def inline_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine makes a write slow; a unit test starts no process for it."""
    monkeypatch.setattr("dhcp_tailer.saver.LONGEST_INLINE_S", 3600)


@pytest.fixture
def samples() -> Path:
    """Logs of real servers."""
    return Path(__file__).parents[2] / "data" / "dhcp"


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    """The path that is followed; there is no file yet."""
    return tmp_path / "dnsmasq.log"


@pytest.fixture
def logged() -> Any:
    """Every line logged during the test."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def dnsmasq() -> Callable[[], DnsmasqLog]:
    """A fresh source whose clock and zone are those of the samples."""
    return lambda: DnsmasqLog(now=lambda: datetime(2026, 11, 23, 12, 0, tzinfo=UTC), zone=UTC)


@dataclass
class Reader:
    """Drains a follower, record by record, and tells what it got."""

    follower: FileFollower
    got: list[bytes] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def drain(self, limit: int = 500) -> list[bytes]:
        """What came since the last time."""
        before = len(self.got)
        while records := self.follower.poll(limit):
            for record in records:
                if record.damage:
                    self.damaged.append(record.damage)
                else:
                    self.got.append(record.data)
                self.follower.done(record)
        return self.got[before:]


@pytest.fixture
def reader() -> type[Reader]:
    """Makes a `Reader`."""
    return Reader


@pytest.fixture
def events_of() -> Callable[[DnsmasqLog, bytes], list[LeaseEvent]]:
    """The events that a source finds in some lines."""

    def events(source: DnsmasqLog, lines: bytes) -> list[LeaseEvent]:
        parsed = [source.parse(line) for line in lines.splitlines()]
        return [event for event in parsed if not isinstance(event, Skip)]

    return events
