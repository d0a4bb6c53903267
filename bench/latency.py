"""From a lease written to its job on the queue: a real ``bringup tail``, a real redis-server, one lease at a time.

The baseline is the same queue fed by a call, without file, tailer or wake-up. The two take turns, so that other load on
the machine, and on its disk, meets both alike. ``--known`` clients were seen before: their number makes the checkpoint
large, which must not delay a lease.
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
from dhcp_tailer.checkpoint import read_checkpoint
from dhcp_tailer.sources.jsonl import JsonLines

# Milliseconds of the median: far below the seconds that a DHCP exchange and a BMC take.
WANTED_MS = 5.0
# Of the slowest in a hundred: a checkpoint is written meanwhile.
WANTED_P99_MS = 8.0
# Leases of one kind in a row.
_IN_A_ROW = 20
_HEAD = "Nov 23 09:41:36 dnsmasq-dhcp[8265]:"


@click.command()
@click.option("--leases", default=300, show_default=True)
@click.option("--known", default=0, show_default=True, help="Clients in the tailer's state: those of dnsmasq's log.")
def main(leases: int, known: int) -> None:
    """Measure, and fail if the median or the slowest in a hundred is above what is promised."""
    if not shutil.which("redis-server"):
        sys.exit("redis-server is missing; run scripts/setup")
    with tempfile.TemporaryDirectory(prefix="bench-") as text, own_redis(Path(text)) as environ:
        folder = Path(text)
        settings = load(environ=environ, env_file=_touched(folder / "empty.env")).settings
        queues = Queues(connect_redis(settings, ClientContexts(), name="bench"))
        baseline, tailed = list[float](), list[float]()
        (folder / "dnsmasq.log").write_bytes(b"".join(map(_discover, range(known))))
        with _tailer(folder, environ), (folder / "dnsmasq.log").open("ab", buffering=0) as file:
            _until_read(folder / "state", known)
            for first in range(0, 2 * leases, 2 * _IN_A_ROW):
                half = first + _IN_A_ROW
                baseline += _latencies(queues, lambda line: queues.add_lease(_event(line)), range(first, half))
                tailed += _latencies(queues, lambda line: file.write(_ack(line)), range(half, half + _IN_A_ROW))
    _show("baseline, a call", baseline)
    _show("tailer, from the file", tailed)
    median, p99, base = statistics.median(tailed), _p99(tailed), _p99(baseline)
    ratio = median / statistics.median(baseline)
    click.echo(f"p50 is {ratio:.1f} x the baseline, p99 {p99 / base:.1f} x, with {known:,} clients known")
    if median > WANTED_MS or p99 > WANTED_P99_MS:
        sys.exit(f"p50 {median:.2f} ms or p99 {p99:.2f} ms is above {WANTED_MS} ms or {WANTED_P99_MS} ms")


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


def _ack(line: bytes) -> bytes:
    data = json.loads(line)["data"]
    return f"{_HEAD} DHCPACK(br0) {data['ip']} {data['mac']} \n".encode()


def _discover(number: int) -> bytes:
    """A client that asks, and gets nothing: it is known, and leads to no job."""
    mac = f"06:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    return f"{_HEAD} DHCPDISCOVER(br0) {mac} \n".encode()


def _until_read(state: Path, known: int) -> None:
    """Wait until the tailer runs and a checkpoint holds all clients."""
    deadline = time.monotonic() + 120
    while not any((found := read_checkpoint(kept)) and sum(found.counts.values()) >= known for kept in _kept(state)):
        if time.monotonic() > deadline:
            sys.exit("the tailer did not read its file within 120 s")
        time.sleep(0.5)


def _kept(state: Path) -> list[Path]:
    return list(state.glob("tail-*.json"))


def _event(line: bytes) -> LeaseEvent:
    event = JsonLines().parse(line)
    assert isinstance(event, LeaseEvent)
    return event


@contextlib.contextmanager
def _tailer(folder: Path, environ: dict[str, str]) -> Iterator[None]:
    variables = {
        **environ,
        "PATH": os.environ["PATH"],
        "DHCP_SOURCE": "dnsmasq-log",
        "LEASE_MAX_AGE_H": "0",
        "DHCP_PATH": str(folder / "dnsmasq.log"),
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
    p50, most = statistics.median(ordered), ordered[-1]
    click.echo(f"{what:22} p50 {p50:6.2f} ms   p99 {_p99(took):6.2f} ms   max {most:6.2f} ms   of {len(took)} leases")


def _p99(took: list[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)]


def _touched(path: Path) -> Path:
    path.touch()
    return path


if __name__ == "__main__":
    main()
