"""The first reading of a file: old leases are stale, the last record counts, and a kill before the first checkpoint."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bringup.lease_jobs import LeaseRecord
from bringup.model import LeaseEvent
from bringup.outages import Outages
from dhcp_tailer.accounting import Accounting, Outcome
from dhcp_tailer.checkpoint import checkpoint_file
from dhcp_tailer.filters import Filters, FirstPass
from dhcp_tailer.follower import FileFollower
from dhcp_tailer.framing import Record
from dhcp_tailer.resume import resume
from dhcp_tailer.retry import Retry, Stop
from dhcp_tailer.saver import Saver
from dhcp_tailer.sources import PARSERS
from dhcp_tailer.tailer import Tailer

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Killed(BaseException):
    """Runs no handler of ours."""


class World:
    """A tailer of one file, started and stopped, and the queue that its leases come to."""

    def __init__(self, path: Path, source: str = "jsonl") -> None:
        self.path, self.source = path, source
        self.file = checkpoint_file(path.parent / "state", source, path)
        self.file.parent.mkdir()
        self.runs: list[str] = []
        self.now = NOW

    def start(self, *, once: bool = True, kill_at: int = 0, looks: int = 2) -> Accounting:
        """Run a tailer: to the end of the file, for some looks, or until it is killed at a delivery."""
        parser, accounting, stop = PARSERS[self.source](), Accounting(), Stop()
        first = FirstPass(24, self.now)
        follower = resume(self.path, parser, accounting, self.file, from_end=False, first_pass=first)
        saver = Saver(self.file, parser=parser, path=self.path, accounting=accounting, first_pass=first)
        left, deliveries = looks, 0

        def deliver(leases: Sequence[LeaseRecord]) -> list[bool]:
            nonlocal deliveries
            deliveries += 1
            if deliveries == kill_at:
                raise Killed
            new = [lease.event.run_id not in self.runs for lease in leases]
            self.runs += [lease.event.run_id for lease, is_new in zip(leases, new, strict=True) if is_new]
            return new

        class Looks:
            def wait(self) -> None:
                nonlocal left
                left -= 1
                stop.requested = not left

        retry = Retry(stop, lambda: None, Outages("tests"))
        tailer = Tailer(
            *(follower, parser, deliver, saver, retry, Looks(), stop, accounting), Filters(), first_pass=first
        )
        try:
            tailer.run(once=once)
        except Killed:
            pass
        finally:
            follower.close()
        return accounting

    def append(self, text: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(text)


def line(number: int, starts: datetime, lasts: timedelta | None = None) -> bytes:
    ends = f', "ends": {int((starts + lasts).timestamp())}' if lasts else ""
    return (
        f'{{"event_type": "add", "timestamp": {int(starts.timestamp())}, '
        f'"data": {{"ip": "10.0.0.{number}", "mac": "02:00:00:00:00:{number:02x}"{ends}}}}}\n'
    ).encode()


HOUR = timedelta(hours=1)
FRESH, OLD, ENDED = line(1, NOW - HOUR), line(2, NOW - 25 * HOUR), line(3, NOW - 2 * HOUR, HOUR)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "leases.jsonl")


def test_on_a_first_start_leases_that_are_over_or_too_old_are_stale(world: World) -> None:
    world.append(FRESH + OLD + ENDED)
    counts = world.start().counts
    assert counts == {Outcome.QUEUED: 1, Outcome.STALE: 2}
    assert [run[:17] for run in world.runs] == ["02-00-00-00-00-01"]


def test_with_a_checkpoint_everything_after_it_counts_however_long_the_tailer_was_away(world: World) -> None:
    world.append(FRESH)
    world.start(once=False)
    world.append(line(4, NOW + HOUR) + line(5, NOW - 48 * HOUR))
    world.now += timedelta(days=400)
    assert world.start().counts[Outcome.QUEUED] == 3


def test_a_kill_during_the_first_reading_makes_no_old_lease_a_new_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dhcp_tailer.tailer.MOST_LEASES", 1)
    world.append(FRESH + OLD + line(6, NOW - HOUR) + ENDED)
    world.start(kill_at=2)
    world.now += timedelta(days=2)  # the fresh one is two days old by then, and still to be queued
    world.start()
    assert [run[15:17] for run in world.runs] == ["01", "06"]


def test_a_record_is_done_only_when_redis_has_its_lease(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    queued: list[int] = []
    done = FileFollower.done

    def done_with(follower: FileFollower, record: Record) -> None:
        queued.append(len(world.runs))
        done(follower, record)

    monkeypatch.setattr(FileFollower, "done", done_with)
    world.append(FRESH)
    world.start()
    assert queued == [1]


def test_no_lease_is_stale_where_the_limit_is_0() -> None:
    old = LeaseEvent(mac="02:00:00:00:00:01", ip="10.0.0.1", action="assigned", starts=NOW - 9999 * HOUR, source="x")  # type: ignore[arg-type]
    assert FirstPass(0, NOW).outcome(old) is None
    assert FirstPass(24, NOW).outcome(old) is Outcome.STALE
    assert FirstPass(24, None).outcome(old) is None


@pytest.mark.parametrize("rotate", ["rename", "gzip", "copytruncate"])
def test_killed_before_the_first_delivery_and_rotated_meanwhile_nothing_is_lost(world: World, rotate: Any) -> None:
    import gzip  # noqa: PLC0415
    import shutil  # noqa: PLC0415

    world.append(FRESH)
    world.start(kill_at=1)
    assert not world.runs
    rotated = world.path.with_name("leases.jsonl.1")
    if rotate == "copytruncate":
        shutil.copyfile(world.path, rotated)
        world.path.write_bytes(b"")
    else:
        world.path.rename(rotated)
        if rotate == "gzip":
            rotated.with_name(rotated.name + ".gz").write_bytes(gzip.compress(rotated.read_bytes()))
            rotated.unlink()
    world.append(line(7, NOW))
    world.start()
    assert [run[15:17] for run in world.runs] == ["01", "07"]


@pytest.mark.parametrize("source", ["jsonl", "dnsmasq-leases", "isc-leases"])
def test_the_last_record_without_a_newline_has_an_outcome_and_is_read_again_when_it_is_whole(
    tmp_path: Path, source: str
) -> None:
    text = {
        "jsonl": FRESH,
        "dnsmasq-leases": b"1795500000 02:00:00:00:00:01 10.0.0.1 * *\n",
        "isc-leases": b"lease 10.0.0.1 {\n  starts 1 2026/11/23 11:00:00;\n  binding state active;\n"
        b"  hardware ethernet 02:00:00:00:00:01;\n}\n",
    }[source]
    world = World(tmp_path / "file", source)
    world.append(text.rstrip(b"\n"))
    assert world.start().counts == {Outcome.QUEUED: 1}
    world.append(b"\n")
    assert world.start().counts == {Outcome.DUPLICATE: 1}
    assert len(world.runs) == 1


def test_half_a_record_is_malformed_and_a_lease_when_the_rest_has_come(world: World) -> None:
    world.append(FRESH[:40])
    assert world.start().counts == {Outcome.MALFORMED: 1}
    world.append(FRESH[40:])
    assert world.start().counts == {Outcome.QUEUED: 1}
