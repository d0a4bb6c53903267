"""Whatever a DHCP server does to its lease file: the runs are exactly the leases that it gave."""

import os
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bringup.model import LeaseAction
from dhcp_tailer.checkpoint import Checkpoint
from dhcp_tailer.resume import Follower, open_follower
from dhcp_tailer.sources import PARSERS
from dhcp_tailer.sources.parser import Skip

LASTS_S = 1000
KEA_HEADER = b"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"
MACHINES = st.integers(1, 4)


def isc(machine: int, starts: int, *, active: bool) -> bytes:
    state, ends = ("active", starts + LASTS_S) if active else ("free", starts + 1)
    return (
        f"lease 10.0.0.{machine} {{\n  starts epoch {starts}; # }} {{\n  ends epoch {ends};\n  binding state {state};\n"
        f"  next binding state free;\n  hardware ethernet 02:00:00:00:00:0{machine};\n}}\n"
    ).encode()


def kea(machine: int, starts: int, *, active: bool) -> bytes:
    lifetime, expire = (LASTS_S, starts + LASTS_S) if active else (0, starts + 1)
    return f"10.0.0.{machine},02:00:00:00:00:0{machine},,{lifetime},{expire},1,0,0,,0,\n".encode()


class AnyLeaseFile(RuleBasedStateMachine):
    """A server gives, renews and takes back leases, and treats its file as it likes; the tailer comes and goes."""

    source: ClassVar = "isc-leases"
    write = staticmethod(isc)
    header: ClassVar = b"# dhcpd.leases(5)\n\n"
    backup: ClassVar = "~"

    def __init__(self) -> None:
        super().__init__()
        self.directory = TemporaryDirectory()
        self.path = Path(self.directory.name) / "leases"
        self.now = 1_700_000_000
        self.held: dict[int, bytes] = {}  # the last record of each lease in force
        self.given: list[str] = []
        self.reported: list[str] = []
        self.unwritten = b""  # the rest of a record that was begun
        self.rewritten_unread = False
        self.renewed_unread = self.unread_end = False
        self.append(self.header)
        self.parser = PARSERS[self.source]()
        self.follower: Follower = open_follower(self.path, self.parser)
        self.look(5)  # what was rewritten before the first look of all, nobody can know

    @rule(machine=MACHINES, cut=st.integers(0, 400))
    def give_or_renew(self, machine: int, cut: int) -> None:
        self.finish()
        self.now += 7
        self.renewed_unread |= machine in self.held
        if machine not in self.held:
            self.given.append(f"02-00-00-00-00-0{machine}-{self.now}")
        self.held[machine] = self.write(machine, self.now, active=True)
        record = self.held[machine]
        self.append(record[:cut])
        self.unwritten = record[cut:]

    @rule(machine=MACHINES)
    def take_back(self, machine: int) -> None:
        self.finish()
        self.now += 7
        if self.held.pop(machine, None):
            self.unread_end = True
            self.append(self.write(machine, self.now - 7, active=False))

    @rule()
    def finish(self) -> None:
        self.append(self.unwritten)
        self.unwritten = b""

    @rule(limit=st.integers(1, 5))
    def look(self, limit: int) -> None:
        for record in self.follower.poll(limit):
            assert record.damage is None
            event = self.parser.parse(record.data)
            self.follower.done(record)
            if not isinstance(event, Skip) and event.action is LeaseAction.ASSIGNED:
                self.reported.append(event.run_id)

    @rule()
    def restart(self) -> None:
        """All that outlives a tailer is its checkpoint."""
        position = self.follower.position
        self.follower.close()
        state = self.parser.state()
        self.parser = PARSERS[self.source]()
        if position is None:
            self.follower = open_follower(self.path, self.parser)
            return
        kept = Checkpoint(source=self.source, path=str(self.path), position=position, state=state)
        kept = Checkpoint.model_validate_json(kept.model_dump_json())
        self.parser.restore(kept.state)
        self.follower = open_follower(self.path, self.parser, kept.position)

    @rule()
    def rewrite(self) -> None:
        """A new file with the leases in force; the old one stays beside it until the next time."""
        self.finish()
        if self.rewritten_unread:
            self.read_all()
        self.rewritten_unread = True
        new = self.path.with_name("new")
        new.write_bytes(self.header + b"".join(self.held.values()))
        self.set_time(new)
        self.path.rename(f"{self.path}{self.backup}")
        new.rename(self.path)

    @rule(replay=st.booleans())
    def copy_over(self, *, replay: bool) -> None:
        """``cp`` of a backup, or of itself, onto the file: same inode, other or the same content."""
        self.finish()
        self.read_all()
        text = self.path.read_bytes() if replay else self.header + b"".join(self.held.values())
        self.path.write_bytes(text)
        self.set_time(self.path)

    @precondition(lambda self: self.held)
    @rule()
    def replay(self) -> None:
        """The server says again what it has logged."""
        self.finish()
        self.append(b"".join(self.held.values()))

    def append(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)
        self.set_time(self.path)

    def set_time(self, path: Path) -> None:
        """The steps of a test are quicker than a file system's clock."""
        self.now += 1
        os.utime(path, (self.now, self.now))

    def read_all(self) -> None:
        for _ in range(100):
            self.look(5)
        self.rewritten_unread = self.renewed_unread = self.unread_end = False

    @invariant()
    def nothing_is_reported_that_was_not_given(self) -> None:
        assert set(self.reported) <= set(self.given)

    def teardown(self) -> None:
        self.finish()
        self.read_all()
        self.follower.close()
        self.directory.cleanup()
        assert set(self.reported) == set(self.given)


class AnyMemfile(AnyLeaseFile):
    """The same of Kea, whose clean-up leaves the leases in ``.2`` and begins an empty file."""

    source: ClassVar = "kea-csv"
    write = staticmethod(kea)
    header: ClassVar = KEA_HEADER
    backup: ClassVar = ".1"

    @rule()
    def clean_up(self) -> None:
        """What it throws away for good, and nobody has read, nobody can know: it leaves the last renewal alone."""
        self.finish()
        if self.rewritten_unread or self.renewed_unread or self.unread_end:
            self.read_all()
        self.rewritten_unread = True
        cleaned, moved = (self.path.with_name(f"leases{name}") for name in (".2", ".1"))
        self.path.rename(moved)
        self.append(self.header)
        cleaned.write_bytes(self.header + b"".join(self.held.values()))
        self.set_time(cleaned)
        moved.unlink()


TestAnyLeaseFile = AnyLeaseFile.TestCase
TestAnyMemfile = AnyMemfile.TestCase
_SETTINGS = settings(
    max_examples=settings().max_examples * 2 // 5,  # 40, and in the fast lane 8
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestAnyLeaseFile.settings = _SETTINGS
TestAnyMemfile.settings = _SETTINGS


def test_the_two_writers_write_what_their_sources_read() -> None:
    for source, write in (("isc-leases", isc), ("kea-csv", kea)):
        parser = PARSERS[source]()
        parser.parse(KEA_HEADER.rstrip())
        event = parser.parse(write(1, 1_700_000_000, active=True).rstrip())
        assert not isinstance(event, Skip)
        assert event.starts == datetime.fromtimestamp(1_700_000_000, UTC)
