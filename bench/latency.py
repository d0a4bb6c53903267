"""From a lease written to its job on the queue: a real ``bringup tail``, a real redis-server, one lease at a time.

The baseline is the same queue fed by a call, without file, tailer or wake-up.
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from bench.own_redis import own_redis
from bringup.connections.redis_client import connect_redis
from bringup.model import JobKind, LeaseEvent
from bringup.queues import Queues
from bringup.settings import load
from bringup.tls import ClientContexts
from dhcp_tailer.sources.jsonl import JsonLines

# Milliseconds of the median: far below the seconds that a DHCP exchange and a BMC take.
WANTED_MS = 5.0


@click.command()
@click.option("--leases", default=300, show_default=True)
def main(leases: int) -> None:
    """Measure, and fail if the median is above what is promised."""
    if not shutil.which("redis-server"):
        sys.exit("redis-server is missing; run scripts/setup")
    with tempfile.TemporaryDirectory(prefix="bench-") as text, own_redis(Path(text)) as environ:
        folder = Path(text)
        settings = load(environ=environ, env_file=_touched(folder / "empty.env")).settings
        queues = Queues(connect_redis(settings, ClientContexts(), name="bench"))
        baseline = _latencies(queues, lambda line: queues.add_lease(_event(line)), range(leases))
        with _tailer(folder, environ), (folder / "leases.jsonl").open("ab", buffering=0) as file:
            time.sleep(1.5)
            tailed = _latencies(queues, file.write, range(leases, 2 * leases))
    _show("baseline, a call", baseline)
    _show("tailer, from the file", tailed)
    median, ratio = statistics.median(tailed), statistics.median(tailed) / statistics.median(baseline)
    click.echo(f"p50 is {ratio:.1f} x the baseline")
    if median > WANTED_MS:
        sys.exit(f"p50 {median:.2f} ms is above {WANTED_MS} ms")


def _latencies(queues: Queues, put: Callable[[bytes], object], numbers: range) -> list[float]:
    """Milliseconds, one for each lease."""
    queue, took = queues.queue(JobKind.DISCOVER), []
    for number in numbers:
        line = _line(number)
        wanted = queue.count + 1
        started = time.perf_counter()
        put(line)
        while queue.count < wanted:
            if time.perf_counter() - started > 10:
                sys.exit("a lease did not come to the queue within 10 s")
        took.append((time.perf_counter() - started) * 1000)
        time.sleep(0.01)
    return took


def _line(number: int) -> bytes:
    data = {"ip": f"10.0.{number >> 8}.{number & 255}", "mac": f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"}
    return json.dumps({"event_type": "add", "timestamp": 1795426896, "data": data}).encode() + b"\n"


def _event(line: bytes) -> LeaseEvent:
    event = JsonLines().parse(line)
    assert isinstance(event, LeaseEvent)
    return event


@contextlib.contextmanager
def _tailer(folder: Path, environ: dict[str, str]) -> Iterator[None]:
    variables = {
        **environ,
        "PATH": os.environ["PATH"],
        "DHCP_SOURCE": "jsonl",
        "LEASE_MAX_AGE_H": "0",
        "DHCP_PATH": str(folder / "leases.jsonl"),
        "STATE_DIR": str(folder / "state"),
    }
    with (folder / "tail.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "bringup", "tail"], env=variables, cwd=folder, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def _show(what: str, took: list[float]) -> None:
    ordered = sorted(took)
    p50, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
    click.echo(f"{what:22} p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   of {len(took)} leases")


def _touched(path: Path) -> Path:
    path.touch()
    return path


if __name__ == "__main__":
    main()
