"""How many records a second each source reads on one core: from the file to the event, everything but Redis.

The baseline is the reading of the same file line by line, without looking at what is in the lines.
"""

import sys
import tempfile
import time
from pathlib import Path
from types import MappingProxyType

import click

from bench.records import NOISE, SERVERS, records
from dhcp_tailer.follower import BATCH
from dhcp_tailer.resume import open_follower
from dhcp_tailer.sources import PARSERS
from dhcp_tailer.sources.parser import parse_record

# Records a second on one quiet core: a lease file of 100,000 leases is read within two seconds after a start, and a log
# that other programs share is no load. On a busy host the ratio to the baseline counts.
WANTED = MappingProxyType(
    {
        "dnsmasq-log": 150_000,
        "isc-log": 150_000,
        "kea-log": 150_000,
        "kea-csv": 150_000,
        "isc-leases": 60_000,
        "jsonl": 150_000,
        NOISE: 600_000,
    }
)


@click.command()
@click.option("--leases", default=50_000, show_default=True, help="How many each source reads.")
def main(leases: int) -> None:
    """Measure, and fail if a source is slower than promised."""
    slow = [source for source in SERVERS if not _measure(source, leases)]
    if slow:
        sys.exit("too slow: " + ", ".join(f"{source} (below {WANTED[source]:,} records/s)" for source in slow))


def _measure(source: str, leases: int) -> bool:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "file"
        with path.open("wb") as file:
            file.writelines(records(source, leases))
        lines, baseline_s = _baseline(path)
        number, took_s = _parser(path, source)
    rate = number / took_s
    click.echo(
        f"{source:12} {rate:10,.0f} records/s   baseline {lines / baseline_s:12,.0f} lines/s   "
        f"{took_s / baseline_s:6.1f} x its time   ({number:,} records of {leases:,} leases)"
    )
    return rate >= WANTED[source]


def _baseline(path: Path) -> tuple[int, float]:
    started = time.process_time()
    with path.open("rb") as file:
        lines = sum(1 for _ in file)
    return lines, time.process_time() - started


def _parser(path: Path, source: str) -> tuple[int, float]:
    parser = PARSERS["dnsmasq-log" if source == NOISE else source]()
    follower = open_follower(path, parser)
    number = 0
    started = time.process_time()
    while some := follower.poll(BATCH):
        for record in some:
            parse_record(parser, record)
        follower.done(some[-1])  # as the tailer does it
        number += len(some)
    took_s = time.process_time() - started
    follower.close()
    return number, took_s


if __name__ == "__main__":
    main()
