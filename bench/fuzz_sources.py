"""Mutations of what real DHCP servers write, given to every source: a record is an event or a skip, never an error.

``python -m bench.fuzz_sources`` makes 200,000 mutations a source, of the samples in tests/data/dhcp. The baseline is
the same number of records that are not mutated. A failure shows the seed, and the record that repeats it.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import click

from dhcp_tailer.framing import Blocks, Lines, Record
from dhcp_tailer.sources import PARSERS
from dhcp_tailer.sources.parser import Skip, parse_record

SAMPLES = Path(__file__).parents[1] / "tests" / "data" / "dhcp"
# What each source is given: records that it reads, of which every mutation is nearly one.
_FILES = MappingProxyType(
    {
        "dnsmasq-log": ("dnsmasq-logdhcp.log", "dnsmasq-plain.log", "dnsmasq6.log"),
        "dnsmasq-leases": ("dnsmasq.leases.midrun", "dnsmasq6.leases"),
        "isc-leases": ("dhcpd.leases", "dhcpd2.leases", "dhcpd6.leases"),
        "isc-log": ("dhcpd-syslog-traditional.log", "dhcpd-syslog-iso8601.log"),
        "kea-csv": ("kea-leases4.before-lfc.csv", "kea-leases6.csv"),
        "kea-log": ("kea-dhcp4.log", "kea-dhcp6.log"),
        "jsonl": (),
    }
)
_JSON = b'{"event_type": "add", "timestamp": 1795426896, "data": {"ip": "10.0.0.1", "mac": "02:00:00:00:00:01"}}'
# What broke parsers elsewhere: numbers that are too large, other encodings, empty fields, deep nesting, control bytes.
_TOKENS = (
    *(b"", b" ", b"\0", b"\xff", b"\xc3\x28", b"\xef\xbb\xbf", b"\r", b"\t", b"\x1b[2J", b"\\", b'"', b"{", b"}", b";"),
    *(b"-1", b"0", b"256", b"4294967295", b"4294967296", b"999999999999", b"9" * 40, b"1e999", b"NaN", b"never"),
    *(b"10.0.0.256", b"::", b"::ffff:1.2.3.4", b"fe80::1%eth0", b"00:00:00:00:00:00", b"ff", b"zz", b"&#x2c", b"&#xzz"),
    *(b"null", b"true", b"[]", b"[" * 2000, b"0000/00/00", b"9999-12-31T23:59:59-23:59", b"0001-01-01T00:00:00+23:59"),
    *("٣".encode(), "\u2028".encode(), b"Feb 29", b"Feb 30", b"\\777", b"epoch", b"active", b"abandoned"),
)
_RECORDS_PER_STATE = 5_000  # after so many, the state is kept and read as after a restart


@click.command()
@click.option("--mutations", default=200_000, show_default=True, help="For each source.")
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same mutations.")
@click.option("--source", "sources", multiple=True, type=click.Choice(list(_FILES)), help="Default: all of them.")
def main(mutations: int, seed: int, sources: tuple[str, ...]) -> None:
    """Mutate, and fail if a record raises."""
    broken = [source for source in sources or _FILES if not _report(source, mutations, seed)]
    if broken:
        sys.exit(f"a record raised: {', '.join(broken)}")


def fuzz(source: str, mutations: int, seed: int) -> Counter[str]:
    """The outcomes of so many mutated records.

    Args:
        source: DHCP_SOURCE.
        mutations: how many.
        seed: the same one gives the same mutations.

    Raises:
        AssertionError: a record raised; the message shows it.
    """
    chance = random.Random(f"{source} {seed}")  # noqa: S311 - it must be repeatable, not secret
    parser, samples, outcomes = PARSERS[source](), _records(source), Counter[str]()
    record = Record(samples[0], 0)
    for number in range(mutations):
        record = _mutated(chance, samples) if number % 2 or source != "dnsmasq-leases" else _gone(record)
        try:
            parsed = parse_record(parser, record)
        except Exception as error:
            raise AssertionError(f"{source}, seed {seed}, number {number}: {record!r}") from error
        outcomes[parsed.outcome if isinstance(parsed, Skip) else parsed.action] += 1
        if number % _RECORDS_PER_STATE == 0:
            kept, parser = parser.state(), PARSERS[source]()
            parser.restore(kept)
    return outcomes


def _report(source: str, mutations: int, seed: int) -> bool:
    started = time.process_time()
    try:
        outcomes = fuzz(source, mutations, seed)
    except AssertionError as error:
        click.echo(f"{source:15} {error}: {error.__cause__!r}")
        return False
    took_s, baseline_s = time.process_time() - started, _baseline(source, mutations)
    shown = ", ".join(f"{number:,} {outcome}" for outcome, number in outcomes.most_common())
    click.echo(f"{source:15} {mutations:,} in {took_s:.1f} s, {took_s / baseline_s:.1f} x the baseline: {shown}")
    return True


def _baseline(source: str, number: int) -> float:
    parser, samples = PARSERS[source](), _records(source)
    started = time.process_time()
    for each in range(number):
        parser.parse(samples[each % len(samples)])
    return time.process_time() - started


def _records(source: str) -> list[bytes]:
    if source == "jsonl":
        return [_JSON]
    text = b"".join((SAMPLES / name).read_bytes() for name in _FILES[source])
    if source.endswith("-log"):  # what is no message of the server is only noise
        marks = (b"DHCPACK", b"DHCPRELEASE", b"DHCPREPLY", b"Reply NA", b"releases", b"_LEASE_", b"_RELEASE", b"vendor")
        return [line for line in text.splitlines() if any(mark in line for mark in marks)]
    if source == "dnsmasq-leases":
        return [b"1795427050 %s %s" % (sign, line) for line in text.splitlines() for sign in (b"+", b"-")]
    splitter = Blocks(0) if source == "isc-leases" else Lines(0)
    return [record.data for record in splitter.feed(text)]


def _mutated(chance: random.Random, samples: list[bytes]) -> Record:
    data = chance.choice(samples)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 4))):
        data = _once(chance, data, samples)
    return Record(data, 0)


def _gone(record: Record) -> Record:
    """The line of a snapshot that has just appeared is gone: what was made of it must be forgotten without an error."""
    return record._replace(data=record.data.replace(b" + ", b" - ", 1))


def _once(chance: random.Random, data: bytes, samples: list[bytes]) -> bytes:
    at, to = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
    end, token = data[to:], chance.choice(_TOKENS)
    words = list(_words(data)) or [(at, at)]
    begin, behind = chance.choice(words)
    ways = (
        data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :],
        data[:at],  # the rest was never written
        data[:at] + end,
        data[:to] + data[at:],  # a part of it twice
        data[:at] + chance.choice(samples)[at:],  # the beginning of one record, the end of another
        data[:begin] + token + data[behind:],
        data[:at] + token + data[at:],
    )
    return chance.choice(ways)


def _words(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each run of letters and digits begins and ends."""
    begin = 0
    for at, byte in enumerate(data + b" "):
        if not chr(byte).isalnum():
            if begin < at:
                yield begin, at
            begin = at + 1


if __name__ == "__main__":
    main()
