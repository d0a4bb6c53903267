"""No mutation of what a server writes ends a tailer: a short run of ``python -m bench.fuzz_sources``."""

import os
from pathlib import Path

import pytest

from bench.fuzz_sources import fuzz
from bringup.model import LeaseEvent
from dhcp_tailer.accounting import Outcome
from dhcp_tailer.snapshots import SnapshotFollower
from dhcp_tailer.sources import PARSERS
from dhcp_tailer.sources.dnsmasq_leases import DnsmasqLeases
from dhcp_tailer.sources.parser import Skip


@pytest.mark.parametrize("source", PARSERS)
def test_no_mutation_of_a_real_record_raises(source: str) -> None:
    """FUZZ_SEED: another run of mutations."""
    outcomes = fuzz(source, 1500, int(os.environ.get("FUZZ_SEED", "1")))
    assert outcomes[Outcome.MALFORMED]
    assert len(outcomes) > 2


@pytest.mark.parametrize(
    "line",
    [
        b"1795427050 02:00:00:00:00:01 10.0.0.256 * *",
        b"999999999999 02:00:00:00:00:01 10.0.0.1 * *",
    ],
)
def test_a_bad_line_of_dnsmasq_that_comes_and_goes_is_malformed_and_ends_nothing(tmp_path: Path, line: bytes) -> None:
    path, source, now = tmp_path / "dnsmasq.leases", DnsmasqLeases(), 0.0
    follower = SnapshotFollower(path, lambda: source.reported, clock=lambda: now)
    good = b"0 02:00:00:00:00:02 10.0.0.2 * *"  # without an end: when it is gone, it was released
    outcomes = []
    for lines in ([line, good], [line, good], [good], []):
        path.write_bytes(b"".join(each + b"\n" for each in lines))
        for _ in range(2):
            for record in follower.poll(10):
                parsed = source.parse(record.data)
                outcomes.append(parsed.outcome if isinstance(parsed, Skip) else parsed.action)
                follower.done(record)
            now += 1
    assert outcomes == ["malformed", "assigned", "not_a_lease", "released"]
    assert source.state() == {"reported": []}


def test_a_bad_line_that_an_earlier_version_remembered_goes_without_an_error() -> None:
    source = DnsmasqLeases()
    line = "1795427050 02:00:00:00:00:01 10.0.0.256 * *"
    source.restore({"reported": [["10.0.0.256", line, "02:00:00:00:00:01", 1795427050, 1795427050]]})
    parsed = source.parse(f"1795427060 - {line}".encode())
    assert isinstance(parsed, Skip)
    assert parsed.malformed


def test_a_lease_takes_the_address_of_a_bad_line() -> None:
    source = DnsmasqLeases()
    assert isinstance(source.parse(b"1 + 999999999999 02:00:00:00:00:01 10.0.0.1 * *"), Skip)
    assert isinstance(source.parse(b"1 + 1795427050 02:00:00:00:00:01 10.0.0.1 * *"), LeaseEvent)
    assert isinstance(source.parse(b"2 - 999999999999 02:00:00:00:00:01 10.0.0.1 * *"), Skip)
    assert source.reported == {b"1795427050 02:00:00:00:00:01 10.0.0.1 * *"}
