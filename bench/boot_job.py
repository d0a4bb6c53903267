"""From the start of a boot job to its power command: the calls of the API in between, and how long it waits for them.

API and Redis are real, the machines are simulated, and the boot jobs are those of workers, one at a time. Every second
machine is on when its job begins: it is switched off first. The baseline is as many calls of ``/health``, which looks
at nothing, by the same client.
"""

import contextlib
import http.client
import json
import socket
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, cast

import click

from bringup import model, tls
from bringup.connections.api_client import ApiClient
from bringup.wire.message import Health
from bringup.wire.run_events import EventType, RunEventReply
from bringup_cli.demo.stack import Stack, free_port
from workers.boot import boot
from workers.job import AllowedJob, Task
from workers.job_context import Callback, JobContext

# Milliseconds of the median boot that it waits for the API before its power command: a machine takes minutes to boot.
_WANTED_MS = 15.0
_SETTINGS = {"ENVIRONMENT": "development", "LEASE_MAX_AGE_H": "0", "MAX_CONCURRENT_BOOTS": "100000"}


class _Timed(Callback):
    """Records each post of a job, and how long its reply took, in milliseconds."""

    def __init__(self, client: ApiClient) -> None:
        super().__init__(client)
        self.posts: list[tuple[str, float]] = []

    def post_event(self, run_id: str, what: EventType, **fields: Any) -> RunEventReply:
        began = time.perf_counter()
        try:
            return super().post_event(run_id, what, **fields)
        finally:
            self.posts.append((what.value, (time.perf_counter() - began) * 1000))


@dataclass(frozen=True)
class _Boot:
    """Of one boot what its job posted before the power command; milliseconds.

    Args:
        calls: by name, in order.
        api_ms: until their replies were there.
        baseline_ms: of as many calls of ``/health``.
    """

    calls: tuple[str, ...]
    api_ms: float
    baseline_ms: float


@click.command()
@click.option("--machines", default=60, show_default=True)
@click.option("--tls/--plain", "use_tls", default=False, show_default=True)
def main(*, machines: int, use_tls: bool) -> None:
    """Measure, print a table, and fail if the median of machines that are off is above what is promised."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as text:
        folder, port = Path(text), free_port()
        (folder / "devices.toml").write_text("".join(_entry(n, port) for n in range(machines)))
        flags = dict.fromkeys(("REDIS_USE_TLS", "API_USE_TLS"), str(use_tls).lower())
        with Stack(folder, _SETTINGS | flags) as stack:
            stack.start_redis()
            stack.start("api")
            stack.start("simulate", "--boot-seconds", "600")
            _await_listener(port)
            boots = _boots(stack, machines, port)
    click.echo(
        "| machine | calls | p50, ms | p90, ms | `/health`, p50, ms | of the baseline |\n|---|--:|--:|--:|--:|--:|"
    )
    medians = [_show(name, boots[first::2]) for first, name in enumerate(("off", "on"))]
    if medians[0] > _WANTED_MS:
        sys.exit(f"{medians[0]:.1f} ms is above {_WANTED_MS} ms")


def _boots(stack: Stack, machines: int, port: int) -> list[_Boot]:
    settings = stack.settings_of("worker")
    client, boots = ApiClient(settings, tls.ClientContexts()), []
    timed = _Timed(client)
    context = JobContext(settings, timed)
    for n in range(machines):
        if n % 2:
            _switch_on(port, n)
        lease = _lease(n)
        timed.put_run(lease)
        timed.posts.clear()
        boot(context, Task(cast("AllowedJob", None)), run_id=lease.run_id)
        before = timed.posts[:-1]  # the last one posts that the machine is on
        began = time.perf_counter()
        for _ in before:
            client.get("/health", Health)
        baseline_ms = (time.perf_counter() - began) * 1000
        boots.append(_Boot(tuple(name for name, _ in before), sum(ms for _, ms in before), baseline_ms))
    return boots


def _show(machine: str, boots: list[_Boot]) -> float:
    """Print a line; the median of the milliseconds that a boot waits for the API."""
    calls = {boot.calls for boot in boots}
    if len(calls) != 1 or not next(iter(calls))[-1].startswith("power_on_requested"):
        sys.exit(f"boots of machines that are {machine} posted: {calls}")
    took = sorted(boot.api_ms for boot in boots)
    median, baseline = statistics.median(took), statistics.median(boot.baseline_ms for boot in boots)
    p90 = took[int(len(took) * 0.9)]
    names = ", ".join(next(iter(calls)))
    click.echo(f"| {machine} | {names} | {median:.1f} | {p90:.1f} | {baseline:.1f} | {median / baseline:.1f} |")
    return median


def _await_listener(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > deadline:
            sys.exit("the simulated machines do not answer within 60 s")
        time.sleep(0.05)


def _switch_on(port: int, n: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    with contextlib.closing(connection):
        connection.request("PUT", f"/m{n:05d}/power", json.dumps({"state": "On"}), {"Content-Type": "application/json"})
        connection.getresponse().read()


def _entry(n: int, port: int) -> str:
    bmc = f"simulated://127.0.0.1:{port}/m{n:05d}"
    return f'[[device]]\nname = "m{n:05d}"\nbmc_mac = "{_mac(n)}"\nbmc = "{bmc}"\n'


def _lease(n: int) -> model.LeaseEvent:
    starts, ip = datetime(2026, 11, 23, tzinfo=UTC), IPv4Address(f"10.0.{n >> 8}.{n & 255}")
    return model.LeaseEvent(mac=_mac(n), ip=ip, action=model.LeaseAction.ASSIGNED, starts=starts, source="bench")


def _mac(n: int) -> str:
    return f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}"


if __name__ == "__main__":
    main()
