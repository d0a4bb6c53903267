"""Stopped at any byte of a real log, a tailer gives exactly the events of one that was never stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bringup.model import LeaseEvent
from dhcp_tailer.checkpoint import Checkpoint
from dhcp_tailer.follower import FileFollower
from dhcp_tailer.sources.dnsmasq_log import DnsmasqLog
from dhcp_tailer.sources.parser import Skip

New = Callable[[], DnsmasqLog]


def read_on(path: Path, source: DnsmasqLog, kept: str | None, limit: int | None = None) -> tuple[list[LeaseEvent], str]:
    """The events from the kept checkpoint on, up to ``limit`` records, and the checkpoint after them."""
    checkpoint = Checkpoint.model_validate_json(kept) if kept else None
    if checkpoint:
        source.restore(checkpoint.state)
    follower = FileFollower(path, checkpoint.position if checkpoint else None)
    records = follower.poll(limit or 1000)
    parsed = [source.parse(record.data) for record in records]
    for record in records:
        follower.done(record)
    position = follower.position
    follower.close()
    assert position is not None
    after = Checkpoint(source=source.name, path=str(path), position=position, state=source.state())
    return [event for event in parsed if not isinstance(event, Skip)], after.model_dump_json()


@pytest.fixture
def excerpt(samples: Path) -> bytes:
    """A discovery, a renewal, a release, a forged vendor class and a relayed lease, without what was sent."""
    lines = (samples / "dnsmasq-logdhcp.log").read_bytes().splitlines(keepends=True)
    worth = (b" DHCPDISCOVER(", b" DHCPREQUEST(", b" DHCPACK(", b" DHCPRELEASE(", b" vendor class:", b" agent-id ")
    return b"".join(line for line in lines if any(mark in line for mark in worth))


def test_every_third_byte(log_file: Path, dnsmasq: New, events_of: Any, excerpt: bytes) -> None:
    expected = events_of(dnsmasq(), excerpt)
    assert len(expected) == 10
    for cut in range(0, len(excerpt) + 1, 3):  # no line is a multiple of three: every place in a line comes up
        log_file.write_bytes(excerpt[:cut])
        before, kept = read_on(log_file, dnsmasq(), None)
        with log_file.open("ab") as file:
            file.write(excerpt[cut:])
        after, _ = read_on(log_file, dnsmasq(), kept)
        assert before + after == expected, f"stopped at byte {cut}"


def test_after_every_record(log_file: Path, dnsmasq: New, events_of: Any, excerpt: bytes) -> None:
    log_file.write_bytes(excerpt)
    kept: str | None = None
    events: list[LeaseEvent] = []
    for _ in excerpt.splitlines():
        more, kept = read_on(log_file, dnsmasq(), kept, limit=1)
        events += more
    assert events == events_of(dnsmasq(), excerpt)


def test_reading_everything_twice_gives_no_other_run(
    log_file: Path, dnsmasq: New, events_of: Any, samples: Path
) -> None:
    text = (samples / "dnsmasq-plain.log.1").read_bytes()
    once = {event.run_id for event in events_of(dnsmasq(), text) if event.action == "assigned"}
    twice = {event.run_id for event in events_of(dnsmasq(), text + text) if event.action == "assigned"}
    assert twice == once
