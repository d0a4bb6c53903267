"""The loop, with Redis and time played."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from bringup.errors import PermanentError, RedisUnavailable
from bringup.lease_jobs import LeaseRecord
from bringup.outages import STEADY_S, Outages
from dhcp_tailer.accounting import Accounting, Outcome
from dhcp_tailer.checkpoint import read_checkpoint
from dhcp_tailer.filters import Filters
from dhcp_tailer.follower import FileFollower
from dhcp_tailer.retry import Interrupted, Retry, Stop
from dhcp_tailer.saver import Saver
from dhcp_tailer.sources.dnsmasq_log import DnsmasqLog
from dhcp_tailer.tailer import Tailer

New = Callable[[], DnsmasqLog]
LOST = "waiting for Redis; nothing is lost"
BACK = "Redis is back; working again"


def ack(number: int) -> bytes:
    mac = f"02:00:00:00:{number // 256:02x}:{number % 256:02x}"
    return f"Nov 23 09:45:08 dnsmasq-dhcp[9]: DHCPACK(br0) 10.0.{number // 256}.{number % 256} {mac} \n".encode()


@dataclass
class Redis:
    """A queue that is away as often as the test wants."""

    away: int = 0
    refusal: Exception = field(default_factory=lambda: RedisUnavailable("connection refused"))
    runs: list[str] = field(default_factory=list)

    def probe(self) -> None:
        if self.away:
            self.away -= 1
            raise self.refusal

    def deliver(self, leases: Sequence[LeaseRecord]) -> list[bool]:
        self.probe()
        return [self.add(lease.event.run_id) for lease in leases]

    def add(self, run_id: str) -> bool:
        new = run_id not in self.runs
        self.runs += [run_id] if new else []
        return new


@dataclass
class World:
    """A tail and everything around it."""

    path: Path
    source: DnsmasqLog
    redis: Redis = field(default_factory=Redis)
    stop: Stop = field(default_factory=Stop)
    waits: list[float] = field(default_factory=list)
    then: list[Callable[[], None]] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.checkpoint = self.path.with_name("checkpoint.json")
        self.accounting = Accounting(clock=lambda: self.now)
        kept = read_checkpoint(self.checkpoint)
        if kept:
            kept.restore(self.source)
        self.follower = FileFollower(self.path, kept.position if kept else None)
        saver = Saver(
            self.checkpoint,
            parser=self.source,
            path=self.path,
            clock=lambda: self.now,
        )
        outages = Outages("tests", clock=lambda: self.now)
        retry = Retry(self.stop, self.redis.probe, outages, sleep=self.sleep)
        self.tail = Tailer(
            self.follower, self.source, self.redis.deliver, saver, retry, self, self.stop, self.accounting
        )

    def wait(self) -> None:
        """The file is at its end: time passes, and what was planned happens."""
        self.now += 1
        if self.then:
            self.then.pop(0)()
        else:
            self.stop.request()

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    @property
    def offset(self) -> int:
        kept = read_checkpoint(self.checkpoint)
        return kept.position.offset if kept else 0


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each lease is delivered by itself."""
    monkeypatch.setattr("dhcp_tailer.tailer.MOST_LEASES", 1)


@pytest.fixture
def world(log_file: Path, dnsmasq: New) -> Callable[..., World]:
    """Makes a `World` around the followed file."""
    return lambda **changes: World(log_file, dnsmasq(), **changes)


def test_every_record_has_one_outcome(log_file: Path, world: Any, samples: Path) -> None:
    log_file.write_bytes(
        (samples / "dnsmasq-plain.log.1").read_bytes()
        + (samples / "dnsmasq-plain.log").read_bytes()
        + b"\xff\xfe\n"
        + b"x" * 1_000_000
        + b"\n"
        + b"Nov 23 09:45:08 dnsmasq-dhcp[9]: DHCPACK(br0) nonsense\n"
    )
    w = world()
    w.tail.run()
    assert w.accounting.counts == Counter(
        {
            Outcome.QUEUED: 7,
            Outcome.DUPLICATE: 1,
            Outcome.RENEWAL: 1,
            Outcome.RELEASED: 1,
            Outcome.MALFORMED: 2,
            Outcome.NOT_A_LEASE: 38,
        }
    )
    assert sum(w.accounting.counts.values()) == log_file.read_bytes().count(b"\n")
    assert w.offset == log_file.stat().st_size


def test_a_lease_that_does_not_matter_is_counted_with_its_reason_and_never_queued(log_file: Path, world: Any) -> None:
    log_file.write_bytes(ack(1) + ack(2) + ack(2))
    w = world()
    object.__setattr__(w.tail, "filters", Filters(networks=[ip_network("10.0.0.2/32")]))
    w.tail.run()
    assert len(w.redis.runs) == 1
    assert w.accounting.counts == Counter({Outcome.FILTERED_NETWORK: 1, Outcome.QUEUED: 1, Outcome.RENEWAL: 1})


def test_a_burst_of_a_thousand_leases_is_a_thousand_runs(log_file: Path, world: Any) -> None:
    log_file.write_bytes(b"".join(map(ack, range(1000))))
    w = world()
    w.tail.run()
    assert len(w.redis.runs) == len(set(w.redis.runs)) == 1000


def test_redis_away_is_waited_for_and_logged_once(log_file: Path, world: Any, logged: Any) -> None:
    log_file.write_bytes(ack(1) + ack(2))
    w = world(redis=Redis(away=6))
    w.then = [lambda: None] * int(STEADY_S + 1)
    w.tail.run()
    assert len(w.redis.runs) == 2
    assert sum(w.waits) == pytest.approx(6 * 0.5)
    assert waits_in(logged) == [LOST, BACK]


def test_redis_that_flaps_is_one_outage_also_when_no_lease_comes(log_file: Path, world: Any, logged: Any) -> None:
    def away_again() -> None:
        w.redis.away = 1

    log_file.write_bytes(ack(1))
    w = world(redis=Redis(away=1))
    w.then = [away_again, lambda: None, lambda: None] * 10
    w.tail.run()
    assert waits_in(logged) == [LOST]


def waits_in(logged: Any) -> list[str]:
    return [line["event"] for line in logged if line["event"] in {LOST, BACK}]


def test_a_refusal_ends_the_tail_and_keeps_the_lease_for_later(log_file: Path, world: Any) -> None:
    log_file.write_bytes(ack(1))
    w = world(redis=Redis(away=1, refusal=PermanentError("WRONGPASS")))
    with pytest.raises(PermanentError):
        w.tail.run()
    assert w.offset == 0
    again = world()
    again.tail.run()
    assert len(again.redis.runs) == 1


def test_asked_to_stop_while_redis_is_away_it_stops_and_the_lease_comes_later(log_file: Path, world: Any) -> None:
    log_file.write_bytes(ack(1) + ack(2))
    w = world(redis=Redis(away=10**9))
    w.tail.retry._sleep = lambda _: w.stop.request()
    with pytest.raises(Interrupted):
        w.tail.run()
    again = world()
    again.tail.run()
    assert len(again.redis.runs) == 2


@pytest.mark.usefixtures("one_by_one")
def test_a_stop_is_heard_between_two_records_and_the_checkpoint_is_exact(log_file: Path, world: Any) -> None:
    log_file.write_bytes(ack(1) + ack(2) + ack(3))
    redis = Redis()
    w = world(redis=redis)

    def deliver(leases: Sequence[LeaseRecord]) -> list[bool]:
        w.stop.request()
        return redis.deliver(leases)

    object.__setattr__(w.tail, "deliver", deliver)
    w.tail.run()
    assert w.offset == len(ack(1))
    again = world()
    again.tail.run()
    assert w.redis.runs + again.redis.runs == [f"02-00-00-00-00-0{n}-1795427108" for n in (1, 2, 3)]


def test_a_backlog_is_delivered_in_batches_and_a_stop_is_heard_between_them(log_file: Path, world: Any) -> None:
    log_file.write_bytes(b"".join(map(ack, range(1000))))
    sizes: list[int] = []
    w = world()

    def deliver(leases: Sequence[LeaseRecord]) -> list[bool]:
        sizes.append(len(leases))
        if len(sizes) == 2:
            w.stop.request()
        return w.redis.deliver(leases)  # type: ignore[no-any-return]

    object.__setattr__(w.tail, "deliver", deliver)
    w.tail.run()
    assert sizes == [200, 200]
    assert w.offset == len(b"".join(map(ack, range(400))))
    again = world(redis=w.redis)
    again.tail.run()
    assert len(again.redis.runs) == len(set(again.redis.runs)) == 1000


@pytest.mark.usefixtures("one_by_one")
@pytest.mark.parametrize("killed_at", range(1, 12))
def test_killed_at_any_delivery_nothing_is_lost_and_nothing_doubled(log_file: Path, world: Any, killed_at: int) -> None:
    """A kill runs no handler: what is on disk stays as it was."""

    class Killed(BaseException):
        pass

    redis = Redis()
    deliveries = 0

    def deliver(leases: Sequence[LeaseRecord]) -> list[bool]:
        nonlocal deliveries
        deliveries += 1
        new = redis.deliver(leases)
        if deliveries == killed_at:
            raise Killed
        return new

    for start in (0, 4, 8):
        with log_file.open("ab") as file:
            file.write(b"".join(map(ack, range(start, start + 4))))
        w = world(redis=redis)
        object.__setattr__(w.tail, "deliver", deliver)
        try:
            w.tail.run()
        except Killed:
            w = world(redis=redis)
            w.tail.run()
    assert sorted(redis.runs) == sorted(set(redis.runs))
    assert len(redis.runs) == 12


@pytest.mark.usefixtures("one_by_one")
def test_the_checkpoint_never_runs_ahead_of_redis(log_file: Path, world: Any) -> None:
    log_file.write_bytes(text := b"".join(map(ack, range(1200))))
    redis = Redis()
    w = world(redis=redis)
    seen: list[tuple[int, int]] = []

    def deliver(leases: Sequence[LeaseRecord]) -> list[bool]:
        w.now += 0.01
        seen.append((w.offset, len(w.redis.runs)))
        return redis.deliver(leases)

    object.__setattr__(w.tail, "deliver", deliver)
    w.tail.run()
    assert all(text[:offset].count(b"\n") <= runs for offset, runs in seen)
    assert len({offset for offset, _ in seen}) > 50  # every 0.2 s, in the middle of a batch too


def test_a_full_disk_is_logged_once_and_stops_nothing(
    log_file: Path, world: Any, logged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    log_file.write_bytes(ack(1))
    w = world()
    with monkeypatch.context() as patch:
        patch.setattr("dhcp_tailer.saver.write_checkpoint", full)
        w.then = [lambda: None, lambda: None, lambda: None]
        w.tail.run()
    assert len(w.redis.runs) == 1
    assert [line["why"] for line in logged if "why" in line] == ["No space left on device"]


def test_once_stops_at_the_end_of_the_file(log_file: Path, world: Any) -> None:
    log_file.write_bytes(ack(1))
    w = world(then=[lambda: pytest.fail("it waited")])
    w.tail.run(once=True)
    assert len(w.redis.runs) == 1


def test_once_without_a_file_is_an_error(world: Any) -> None:
    with pytest.raises(PermanentError, match="DHCP_PATH cannot be read: No such file"):
        world().tail.run(once=True)


def test_leases_that_come_later_are_seen(log_file: Path, world: Any) -> None:
    def append(number: int) -> None:
        with log_file.open("ab") as file:
            file.write(ack(number))

    w = world(then=[lambda: append(1), lambda: append(2), lambda: append(2)])
    w.tail.run()
    assert w.accounting.counts == Counter({Outcome.QUEUED: 2, Outcome.RENEWAL: 1})


def test_a_tailer_that_finds_no_lease_in_many_records_doubts_the_source_once(log_file: Path, world: Any) -> None:
    log_file.write_bytes(b"Nov 23 09:45:08 vm dhcpd[9]: DHCPDISCOVER from 02:00:00:00:00:01 via br0\n" * 2500)
    w, doubts = world(), []
    object.__setattr__(w.tail, "doubt", lambda: doubts.append(w.accounting.others))
    w.then = [lambda: None]
    w.tail.run()
    assert len(doubts) == 1
    assert 1000 <= doubts[0] < 2500
