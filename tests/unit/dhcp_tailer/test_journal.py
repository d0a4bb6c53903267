"""The journal of a checkpoint: changes are appended, and whatever is torn off is only read again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bringup.model import LeaseEvent
from dhcp_tailer.accounting import Accounting, Outcome
from dhcp_tailer.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from dhcp_tailer.follower import FileFollower
from dhcp_tailer.framing import Blocks, Lines
from dhcp_tailer.journal import journals
from dhcp_tailer.resume import resume
from dhcp_tailer.saver import Saver
from dhcp_tailer.sources import PARSERS
from dhcp_tailer.sources.dnsmasq_log import DnsmasqLog
from dhcp_tailer.sources.jsonl import JsonLines
from dhcp_tailer.sources.lease_history import Clients, Lease, Leases
from dhcp_tailer.sources.parser import Parser
from tests.unit.dhcp_tailer.savers import Clock, at, flushed, saver_of

FILES = {
    "dnsmasq-log": "dnsmasq-logdhcp.log",
    "isc-log": "dhcpd-syslog-traditional.log",
    "kea-log": "kea-dhcp4.log",
    "kea-csv": "kea-leases4.before-lfc.csv",
    "isc-leases": "dhcpd.leases",
    "jsonl": "dnsmasq.leases.midrun",
    "dnsmasq-leases": "dnsmasq.leases.midrun",
}


class Killed(BaseException):
    """Runs no handler of ours."""


def records_of(source: str, samples: Path) -> list[bytes]:
    text = (samples / FILES[source]).read_bytes()
    if source == "dnsmasq-leases":
        lines = text.splitlines()
        return [b"1795427050 + " + line for line in lines] + [b"1795427060 - " + line for line in lines[::2]]
    splitter = Blocks(0) if source == "isc-leases" else Lines(0)
    return [record.data for record in splitter.feed(text)]


def known(parser: Parser) -> Any:
    """Its state; of a snapshot the order of the lines does not count."""
    state: Any = parser.state()
    return sorted(state["reported"]) if isinstance(parser, PARSERS["dnsmasq-leases"]) else state  # type: ignore[arg-type]


@pytest.mark.parametrize("source", FILES)
@pytest.mark.parametrize("every", [1, 7])
def test_the_changes_of_every_source_lead_to_its_state(source: str, every: int, samples: Path) -> None:
    parser, other = PARSERS[source](), PARSERS[source]()
    for number, record in enumerate(records_of(source, samples)):
        parser.parse(record)
        if number % every == 0:
            other.apply(json.loads(json.dumps(parser.changes())))
            assert known(other) == known(parser)


def test_what_was_dropped_for_others_is_dropped_by_the_changes_too() -> None:
    clients, other = Clients(limit=3), Clients(limit=3)
    leases, other_leases = Leases(limit=3), Leases(limit=3)
    for number in (1, 2, 3, 1, 4, 5, 5, 2, 6, 1):
        clients.discovers(f"{number}")
        clients.requests("5")
        leases.in_force(f"{number}", Lease("m", number, None))
        leases.over("2", None)
        if number % 2:
            other.apply(clients.changes())
            other_leases.apply(leases.changes())
            assert (other.rows(), other_leases.rows()) == (clients.rows(), leases.rows())


def test_no_more_is_written_than_has_changed(tmp_path: Path) -> None:
    parser = PARSERS["isc-log"]()
    head = b"Nov 23 09:51:22 vm dhcpd[14195]: DHCPDISCOVER from 02:00:00:00:%02x:%02x via br0"
    for number in range(5000):
        parser.parse(head % divmod(number, 256))
    saver = saver_of(tmp_path / "c.json", parser)
    saver.save(at(1))
    parser.parse(head % (0, 7))
    saver.save(at(2))
    assert (tmp_path / "c.json").stat().st_size > 100_000
    assert flushed(saver).stat().st_size < 1000


def test_cut_at_any_byte_it_is_an_earlier_checkpoint(tmp_path: Path) -> None:
    file, accounting = tmp_path / "c.json", Accounting()
    saver = saver_of(file, JsonLines(), accounting)
    for number in range(3):
        saver.save(at(number))
        accounting.count(Outcome.QUEUED)
    journal = flushed(saver)
    text = journal.read_bytes()
    assert text.count(b"\n") == 3
    for cut in range(len(text) + 1):
        journal.write_bytes(text[:cut])
        found = read_checkpoint(file)
        assert found
        whole = max(0, text[:cut].count(b"\n") - 1)
        assert (found.position.offset, found.counts) == (whole, {"queued": whole} if whole else {})
        assert found.reader == (accounting.reader.name if b"\n" in text[:cut] else "")


@pytest.mark.parametrize("byte", [b"\0", b"\n", b"9"])
def test_what_is_behind_a_damaged_byte_is_not_read(tmp_path: Path, byte: bytes) -> None:
    """After a power failure a file may be longer than what came to the disk of it."""
    saver = saver_of(tmp_path / "c.json", JsonLines())
    for number in range(4):
        saver.save(at(number))
    journal = flushed(saver)
    text = journal.read_bytes()
    third = text.index(b"\n", text.index(b"\n") + 1) + 1
    for place in range(third, text.index(b"\n", third), 7):
        if text[place : place + 1] != byte:
            journal.write_bytes(text[:place] + byte + text[place + 1 :])
            found = read_checkpoint(tmp_path / "c.json")
            assert found
            assert found.position.offset == 1


def test_killed_after_any_record_no_event_is_lost_and_none_doubled(
    tmp_path: Path, log_file: Path, dnsmasq: Callable[[], DnsmasqLog], events_of: Any, samples: Path
) -> None:
    text = (samples / "dnsmasq-logdhcp.log").read_bytes()
    log_file.write_bytes(text)
    file, parser, accounting = tmp_path / "c.json", dnsmasq(), Accounting()
    follower = FileFollower(log_file)
    saver = Saver(file, parser=parser, path=log_file, accounting=accounting, clock=Clock())
    before: dict[int, list[LeaseEvent]] = {0: []}
    for record in follower.poll(1000):
        saver.save(follower.position)
        before[record.end] = before[follower.position.offset if follower.position else 0] + events_of(
            parser, record.data
        )
        follower.done(record)
    saver.save(follower.position)
    journal = flushed(saver)
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) > 100
    for kept in range(1, len(lines) + 1, 17):
        journal.write_bytes(b"".join(lines[:kept]))
        again = dnsmasq()
        resumed = resume(log_file, again, Accounting(), file, from_end=False)
        assert resumed.position
        rest = text[resumed.position.offset :]
        assert before[resumed.position.offset] + events_of(again, rest) == before[len(text)]
        resumed.close()


@pytest.mark.parametrize("written", [False, True])
def test_killed_while_all_is_written_anew_the_old_or_the_new_one_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, written: bool
) -> None:
    def killed(*arguments: Any) -> None:
        if written:
            write_checkpoint(*arguments)
        raise Killed

    file = tmp_path / "c.json"
    saver = saver_of(file, JsonLines(), accounting := Accounting())
    saver.save(at(1))
    saver.save(at(2))
    monkeypatch.setattr("dhcp_tailer.saver.write_checkpoint", killed)
    saver._longest_journal, saver._next_whole_s = -1, 0.0
    with pytest.raises(Killed):
        saver.save(at(3))
    flushed(saver)
    assert len(journals(file)) == 2
    found = read_checkpoint(file)
    assert found
    assert (found.position.offset, found.reader) == (3, accounting.reader.name)
    monkeypatch.undo()
    next_one = saver_of(file, JsonLines(), accounting)
    next_one.save(at(4))
    assert len(journals(file)) == 1
    assert read_checkpoint(file) == found.model_copy(update={"position": at(4), "changes": []})


def test_after_a_stop_the_whole_one_is_all_and_an_earlier_version_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    saver = saver_of(file, PARSERS["isc-leases"]())
    for number in range(4):
        saver.save(at(number))
    saver.save(at(4), last=True)
    assert journals(file) == []
    document = json.loads(file.read_text())
    assert document["position"]["offset"] == 4
    # Version 2, which takes no other names.
    names = {"version", "source", "path", "position", "state", "counts", "last_record_at", "first_start"}
    assert (document["version"], document.keys()) == (2, names)


@pytest.mark.parametrize("head", [b'{"version": 2, "reader": "x"}', b"[]", b""])
def test_the_journal_of_a_later_version_is_ignored(tmp_path: Path, head: bytes) -> None:
    from zlib import crc32  # noqa: PLC0415

    file = tmp_path / "c.json"
    saver = saver_of(file, JsonLines())
    saver.save(at(1))
    saver.save(at(2))
    flushed(saver).write_bytes(b"%08x %s\n" % (crc32(head), head))
    found = read_checkpoint(file)
    assert found
    assert found.position.offset == 1


def test_the_journal_of_another_checkpoint_is_ignored(tmp_path: Path) -> None:
    """As after a downgrade: the earlier version has read on from the whole one, and left the journal where it was."""
    file = tmp_path / "c.json"
    saver = saver_of(file, JsonLines())
    saver.save(at(1))
    saver.save(at(2))
    flushed(saver)
    write_checkpoint(file, Checkpoint(source="jsonl", path="/x", position=at(7), state=None))
    found = read_checkpoint(file)
    assert found
    assert (found.position.offset, found.reader) == (7, "")
