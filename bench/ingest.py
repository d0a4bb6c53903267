"""How many leases a second come from a file onto the queue: a real ``bringup tail``, a real redis-server.

Redis writes each transaction to its disk (``appendfsync always``). The baseline puts leases on the queue one by one,
each in a transaction of its own, without file, parser or checkpoint.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click

from bench.records import records
from bringup import tls
from bringup.connections.redis_client import connect_redis
from bringup.model import JobKind, LeaseEvent
from bringup.queues import Queues
from bringup_cli.demo.stack import Stack
from dhcp_tailer.sources.jsonl import JsonLines

# Leases a second, plain and with mutual TLS, on two quiet cores.
WANTED = 10_000
# Leases of the baseline: some seconds.
_ONE_BY_ONE = 1_000
# Seconds for one round: a hundred times what it may take.
_LONGEST_S = 200


@click.command()
@click.option("--leases", default=20_000, show_default=True, help="Of each round; they are in the file at once.")
@click.option("--rounds", default=3, show_default=True, help="The best counts: other load only takes away.")
@click.option("--source", type=click.Choice(["jsonl", "dnsmasq-log", "kea-csv"]), default="jsonl", show_default=True)
def main(leases: int, rounds: int, source: str) -> None:
    """Measure plain and mutual TLS, and fail if either is slower than promised."""
    if not shutil.which("redis-server"):
        sys.exit("redis-server is missing; run scripts/setup")
    rates = [_rate(leases, rounds, source, use_tls=use_tls) for use_tls in (False, True)]
    click.echo(f"mTLS is {rates[1] / rates[0]:.2f} of plain")
    if min(rates) < WANTED:
        sys.exit(f"{min(rates):,.0f} leases/s are less than {WANTED:,}")


def _rate(leases: int, rounds: int, source: str, *, use_tls: bool) -> float:
    with tempfile.TemporaryDirectory(prefix="bench-") as text:
        folder = Path(text)
        (folder / "devices.toml").touch()
        path = folder / "leases"
        path.touch()
        variables = {
            "REDIS_USE_TLS": str(use_tls).lower(),
            "REDIS_APPENDFSYNC": "always",
            "DHCP_SOURCE": source,
            "DHCP_PATH": str(path),
            "LEASE_MAX_AGE_H": "0",
        }
        with Stack(folder, variables) as stack:
            stack.start_redis()
            queues = Queues(connect_redis(stack.settings_of("tailer"), tls.ClientContexts(), name="bench"))
            baseline = _one_by_one(queues)
            stack.spawn("tail")
            found = [_round(stack, path, records(source, leases, number * leases)) for number in range(rounds)]
    rate, cpu_s = max(rate for rate, _ in found), min(cpu_s for _, cpu_s in found)
    click.echo(
        f"{'mTLS' if use_tls else 'plain':6}{rate:9,.0f} leases/s   {cpu_s / leases * 1e6:5.0f} us of the tailer's CPU "
        f"each   baseline {baseline:7,.0f}/s   {rate / baseline:5.1f} x"
    )
    return rate


def _one_by_one(queues: Queues) -> float:
    """Leases a second."""
    parser = JsonLines()
    events = [parser.parse(line) for line in records("jsonl", _ONE_BY_ONE, 10**7)]
    started = time.perf_counter()
    for event in events:
        assert isinstance(event, LeaseEvent)
        assert queues.add_lease(event)
    return _ONE_BY_ONE / (time.perf_counter() - started)


def _round(stack: Stack, path: Path, lines: Iterator[bytes]) -> tuple[float, float]:
    """Leases a second, and the tailer's CPU time in seconds."""
    queue = Queues(connect_redis(stack.settings_of("operator"), tls.ClientContexts(), name="bench")).queue(
        JobKind.DISCOVER
    )
    chunks, before = list(lines), queue.count
    text = b"".join(chunks)
    cpu_s, started = _cpu_s(stack.pid("tail")), time.perf_counter()
    with path.open("ab", buffering=0) as file:
        file.write(text)
    while (there := queue.count - before) < len(chunks):
        if time.perf_counter() - started > _LONGEST_S:
            sys.exit(f"{there:,} of {len(chunks):,} leases came within {_LONGEST_S} s")
        time.sleep(0.01)
    took_s = time.perf_counter() - started
    return len(chunks) / took_s, _cpu_s(stack.pid("tail")) - cpu_s


def _cpu_s(pid: int) -> float:
    """Seconds that a process has used. Source: proc_pid_stat(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
