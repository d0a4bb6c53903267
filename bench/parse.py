"""How many records a second each source reads on one core: from the file to the event, everything but Redis.

The baseline is the reading of the same file line by line, without looking at what is in the lines.
"""

import sys
import tempfile
import time
from pathlib import Path

import click

from bench.records import SERVERS, records
from dhcp_tailer.resume import open_follower
from dhcp_tailer.sources import PARSERS

# Records a second on one core: a lease file of 100,000 leases is read within two seconds after a start.
WANTED = 50_000
_PROMISED = frozenset({"dnsmasq-log", "isc-log", "kea-log", "kea-csv"})


@click.command()
@click.option("--leases", default=50_000, show_default=True, help="How many each source reads.")
def main(leases: int) -> None:
    """Measure, and fail if a source is slower than promised."""
    slow = [source for source in SERVERS if not _measure(source, leases) and source in _PROMISED]
    if slow:
        sys.exit(f"below {WANTED} records/s: {', '.join(slow)}")


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
    return rate >= WANTED


def _baseline(path: Path) -> tuple[int, float]:
    started = time.process_time()
    with path.open("rb") as file:
        lines = sum(1 for _ in file)
    return lines, time.process_time() - started


def _parser(path: Path, source: str) -> tuple[int, float]:
    parser = PARSERS[source]()
    follower = open_follower(path, parser)
    number = 0
    started = time.process_time()
    while some := follower.poll(500):
        for record in some:
            parser.parse(record.data)
            follower.done(record)
        number += len(some)
    took_s = time.process_time() - started
    follower.close()
    return number, took_s


if __name__ == "__main__":
    main()
