"""How many records a second each source reads on one core: from the file to the event, everything but Redis.

The baseline is a yardstick: a fixed loop that matches a line, takes its fields and keeps them. It runs beside each
source, and the best of several rounds counts for both: so figures of two hosts, or of two hours of one, compare.
"""

import math
import re
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

# Records a second on a host whose yardstick is as below: a lease file of 100,000 leases is read within two seconds
# after a start, and a log that other programs share is no load.
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
# Lines a second of the yardstick where nothing else runs, on the host of the figures in docs/performance.md.
_YARDSTICK = 870_000
_LINES = 20_000  # in each run of it: some 20 ms, so that a run falls between two interruptions
_LINE = b"Nov 23 09:41:36 dnsmasq-dhcp[8265]: DHCPACK(br0) 10.77.4.16 02:00:00:00:00:01 idrac-7XK2M13"
_FIELDS = re.compile(
    rb"([A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d) \S+\[(\d+)\]: [A-Z]+\(\w+\) (?P<ip>[0-9.]+) (?P<mac>[0-9a-f:]+) .*"
)


@click.command()
@click.option("--leases", default=20_000, show_default=True, help="How many each source reads in a round.")
@click.option("--rounds", default=5, show_default=True, help="The best of so many counts.")
def main(leases: int, rounds: int) -> None:
    """Measure, and fail if a source is slower than promised."""
    best, yardstick_s = dict.fromkeys(SERVERS, math.inf), math.inf
    with tempfile.TemporaryDirectory(prefix="bench-") as text:
        for source in SERVERS:
            with (Path(text) / source).open("wb") as file:
                file.writelines(records(source, leases))
        for _ in range(rounds):
            for source in best:
                yardstick_s = min(yardstick_s, _yardstick_s())
                best[source] = min(best[source], _record_s(Path(text) / source, source))
    click.echo(f"yardstick    {1 / yardstick_s:10,.0f} lines/s     {yardstick_s * 1e6:6.2f} µs")
    slow = [source for source, record_s in best.items() if not _report(source, record_s, yardstick_s)]
    if slow:
        sys.exit("too slow: " + ", ".join(f"{source} (below {WANTED[source]:,} records/s)" for source in slow))


def _report(source: str, record_s: float, yardstick_s: float) -> bool:
    """Print a line; whether the source is as fast as promised, on a host with our yardstick."""
    ratio = record_s / yardstick_s
    click.echo(
        f"{source:12} {1 / record_s:10,.0f} records/s   {record_s * 1e6:6.2f} µs   {ratio:6.2f} x the yardstick   "
        f"{_YARDSTICK / ratio:10,.0f} records/s where it makes {_YARDSTICK:,}"
    )
    return _YARDSTICK / ratio >= WANTED[source]


def _yardstick_s() -> float:
    """CPU time of one line of the yardstick, seconds. Do not change it: figures of earlier versions would be lost."""
    kept = {}
    started = time.process_time()
    for number in range(_LINES):
        found = _FIELDS.fullmatch(_LINE)
        assert found
        ip = found["ip"].decode().split(".")
        kept[number & 1023] = (ip, int(found[2]), found["mac"].decode().replace(":", "-"))
    return (time.process_time() - started) / _LINES


def _record_s(path: Path, source: str) -> float:
    """CPU time of one record, seconds."""
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
    return took_s / number


if __name__ == "__main__":
    main()
