"""dnsmasq's lease file: a snapshot that is rewritten in place."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from bringup.model import LeaseEvent
from dhcp_tailer.snapshots import SETTLED_S, SnapshotFollower
from dhcp_tailer.sources.dnsmasq_leases import DnsmasqLeases
from dhcp_tailer.sources.parser import NO_MAC, Skip

ONE = b"1795427050 02:00:00:00:00:01 10.77.4.1 one 01:02:00:00:00:00:01"
TWO = b"1795427060 02:00:00:00:00:02 10.77.4.2 * *"


class Watch:
    """A file and the parser that reads its changes; time passes when asked to."""

    def __init__(self, path: Path, source: DnsmasqLeases | None = None, at: int = 1795427000) -> None:
        self.path = path
        self.source = source or DnsmasqLeases()
        self.now = 0.0
        self.at = at
        self.follower = SnapshotFollower(path, lambda: self.source.reported, clock=lambda: self.now)

    def write(self, *lines: bytes) -> None:
        self.raw(b"".join(line + b"\n" for line in lines))

    def raw(self, text: bytes) -> None:
        self.path.write_bytes(text)
        self.at += 1
        os.utime(self.path, (self.at, self.at))

    def look(self, *, settled: bool = True) -> list[tuple[str, str]]:
        got = self._drain()
        if settled:
            self.now += SETTLED_S
            got += self._drain()
        return got

    def _drain(self) -> list[tuple[str, str]]:
        got = []
        while records := self.follower.poll(3):
            for record in records:
                parsed = self.source.parse(record.data)
                if isinstance(parsed, LeaseEvent):
                    got.append((parsed.action.value, parsed.run_id[12:]))
                elif parsed.reason != "not a lease":
                    got.append((parsed.outcome.value, parsed.reason))
                self.follower.done(record)
        return got


@pytest.fixture
def watch(tmp_path: Path) -> Callable[..., Watch]:
    return lambda **more: Watch(tmp_path / "dnsmasq.leases", **more)


def test_a_real_file_gives_exactly_its_leases(watch: Any, samples: Path) -> None:
    w = watch()
    w.raw((samples / "dnsmasq.leases.midrun").read_bytes())
    assert w.look() == [
        ("assigned", "00-02-1795427050"),
        ("assigned", "00-55-1795427026"),
        ("assigned", "00-44-1795427026"),
    ]
    w.raw((samples / "dnsmasq.leases").read_bytes())
    assert sorted(w.look()) == [
        ("assigned", "02-01-1795427193"),
        ("released", "00-02-1795427050"),
        ("released", "00-44-1795427026"),
        ("released", "00-55-1795427026"),
    ]


def test_a_real_dhcpv6_file_takes_the_mac_of_the_duid(watch: Any, samples: Path) -> None:
    w = watch()
    w.raw((samples / "dnsmasq6.leases").read_bytes())
    assert w.look() == [("assigned", "03-05-1795441778"), ("assigned", "03-04-1795441778")]


def test_a_rewrite_that_changes_nothing_says_nothing(watch: Any) -> None:
    w = watch()
    w.write(ONE, TWO)
    assert len(w.look()) == 2
    w.write(TWO, ONE)
    assert w.look() == []


def test_a_file_that_is_empty_for_a_moment_ends_no_lease(watch: Any) -> None:
    w = watch()
    w.write(ONE, TWO)
    w.look()
    for cut in range(len(ONE + TWO) + 3):
        w.raw((ONE + b"\n" + TWO + b"\n")[:cut])
        w.now += SETTLED_S / 200  # many rewrites, each of them quick
        assert [*w.look(settled=False), *w.look(settled=False)] == []
    assert w.look() == []


def test_a_file_that_stays_empty_ends_all_leases(watch: Any) -> None:
    w = watch()
    w.write(ONE, TWO)
    w.look()
    w.raw(b"")
    assert w.look() == [("released", "00-01-1795427050"), ("released", "00-02-1795427060")]
    w.write(ONE)
    assert w.look() == [("assigned", "00-01-1795427050")]


def test_a_new_end_of_a_lease_that_is_in_force_is_a_renewal_and_of_one_that_is_over_a_new_lease(watch: Any) -> None:
    w = watch()
    w.write(ONE)
    w.look()
    w.write(ONE.replace(b"427050", b"427055"))
    assert w.look() == [("renewed", "00-01-1795427055")]
    w.at = 1795427060
    w.write(ONE.replace(b"427050", b"427180"))
    assert w.look() == [("assigned", "00-01-1795427180")]


def test_a_line_that_vanished_after_its_end_has_expired(watch: Any) -> None:
    w = watch()
    w.write(ONE)
    w.look()
    w.at = 1795427050
    w.raw(b"")
    assert w.look() == [("expired", "00-01-1795427050")]


def test_an_infinite_lease_begins_when_the_file_first_holds_it(watch: Any) -> None:
    w = watch()
    w.write(ONE.replace(b"1795427050", b"0"))
    assert w.look() == [("assigned", "00-01-1795427001")]
    w.write(ONE.replace(b"1795427050", b"0"), TWO)
    assert w.look() == [("assigned", "00-02-1795427060")]


def test_an_address_that_another_machine_gets_is_assigned(watch: Any) -> None:
    w = watch()
    w.write(ONE)
    w.look()
    w.write(ONE.replace(b"00:01 ", b"00:03 "))
    assert w.look() == [("assigned", "00-03-1795427050")]


def test_two_states_within_one_tick_of_the_clock_are_both_seen(watch: Any) -> None:
    """The kernel's clock stands still for 4 ms: same time, same size, other content."""
    w = watch()
    w.write(ONE)
    now = w.path.stat().st_mtime_ns + 10**18
    os.utime(w.path, ns=(now, now))
    w.look()
    w.path.write_bytes(ONE.replace(b"10.77.4.1", b"10.77.4.9") + b"\n")
    os.utime(w.path, ns=(now, now))
    assert ("assigned", "00-01-1795427050") in w.look()


def test_a_file_that_was_written_while_it_was_read_is_read_again(watch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    w = watch()
    w.write(ONE)
    real, torn = os.pread, [ONE.replace(b"00:01 ", b"00:66 ") + b"\n"]
    monkeypatch.setattr(os, "pread", lambda *args: torn.pop() if torn and args[1] > len(ONE) else real(*args))
    assert w.look(settled=False) == []
    assert w.look() == [("assigned", "00-01-1795427050")]


def test_a_restart_knows_what_was_reported_and_sees_what_vanished_meanwhile(watch: Any) -> None:
    w = watch()
    w.write(ONE, TWO)
    w.look()
    second = DnsmasqLeases()
    second.restore(w.source.state())
    again = watch(source=second, at=w.at)
    again.write(TWO)
    assert again.look() == [("released", "00-01-1795427050")]


def test_an_absent_file_ends_no_lease_and_is_logged_once(watch: Any, logged: Any) -> None:
    w = watch()
    w.write(ONE)
    w.look()
    w.path.unlink()
    assert [w.look() for _ in range(3)] == [[]] * 3
    assert [line["log_level"] for line in logged] == ["warning"]
    w.write(ONE)
    assert w.look() == []


def test_a_line_that_cannot_be_read_is_malformed_once(watch: Any) -> None:
    w = watch()
    w.write(b"what is this", ONE)
    assert w.look() == [("malformed", "not a lease of dnsmasq"), ("assigned", "00-01-1795427050")]
    w.write(b"what is this", ONE, TWO)
    assert w.look() == [("assigned", "00-02-1795427060")]


def test_a_client_without_an_ethernet_address_is_counted_as_such() -> None:
    line = b"1795427000 + 1795427050 1 fd00:77::4f1 * 00:02:00:00:ab:11:aa:bb"
    assert DnsmasqLeases().parse(line) == NO_MAC
    assert DnsmasqLeases().parse(b"1 + 1795427050 06-00:00:00:00:00:01 10.0.0.1 * *") == NO_MAC


def test_the_position_changes_with_every_change_that_is_done(watch: Any) -> None:
    w = watch()
    w.write(ONE, TWO)
    first, second = w.follower.poll(2)
    w.follower.done(first)
    before = w.follower.position
    w.follower.done(second)
    assert before.offset == 1
    assert w.follower.position.offset == 2


LINES = st.lists(
    st.builds(
        lambda n, e: (n, b"%d 02:00:00:00:00:%02x 10.0.0.%d * *" % (1795427500 + e, n, n)),
        st.integers(1, 5),
        st.integers(0, 3),
    ),
    max_size=5,
    unique_by=lambda pair: pair[0],
)


@examples(max_examples=60, deadline=None)
@given(states=st.lists(st.tuples(LINES, st.booleans()), min_size=1, max_size=6))
def test_whatever_the_file_goes_through_each_lease_is_assigned_exactly_once_while_it_lasts(
    tmp_path_factory: Any, states: list[tuple[list[tuple[int, bytes]], bool]]
) -> None:
    w = Watch(tmp_path_factory.mktemp("leases") / "dnsmasq.leases")
    held: set[int] = set()
    for lines, restart in states:
        if restart:
            source = DnsmasqLeases()
            source.restore(w.source.state())
            w = Watch(w.path, source, w.at)
        w.write(*(line for _, line in lines))
        got = w.look()
        now = {number for number, _ in lines}
        assert sorted(run[:5] for action, run in got if action == "assigned") == sorted(
            f"00-{n:02x}" for n in now - held
        )
        assert len([1 for action, _ in got if action == "released"]) == len(held - now)
        held = now


@given(record=st.binary(max_size=100) | st.binary(max_size=80).map(lambda b: b"1 + " + b))
def test_any_change_is_skipped_or_read_and_never_an_error(record: bytes) -> None:
    source = DnsmasqLeases()
    assert isinstance(source.parse(record), Skip | LeaseEvent)
    source.restore(source.state())
