"""A boot storm: simulated machines get their leases at once, and real tailer, API, workers and Redis bring them up.

A follower of the feed of changes is attached; from it come the times of verdicts and ends. The times depend on what
else runs on the machine; calls and commands for a run do not, and processor time does little.
"""

import contextlib
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import click

from bench.processes import cpu_s, pss_mb
from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.connections.change_feed import ChangeFollower, Cursor
from bringup.connections.redis_client import connect_redis
from bringup.wire.changes import FeedPage
from bringup_cli.demo.stack import Stack, free_port

# Seconds for one machine: 20 times the goal, for a machine on which other programs run.
_LONGEST_S_A_RUN = 0.5
_SETTINGS = {
    "ENVIRONMENT": "development",
    "LEASE_MAX_AGE_H": "0",  # the leases are of a fixed day
    "MAX_CONCURRENT_BOOTS": "100000",  # no limit: what is measured is not how long machines wait for others
}
_VERDICTS = {"passed", "degraded", "failed"}
# A line of the API's access log: method and path. Calls of the follower and of the reaper are of no run.
_CALL = re.compile(r"(GET|PUT|POST|PATCH) /api/v1/(runs|images)/[^/ ]+(/[a-z-]+)?")
_SERVICES = ("api", "work", "redis", "tail", "simulate")


@dataclass
class Storm:
    """What was measured of one storm.

    Args:
        seconds: from the leases to the last machine's power, verdict and end, by name.
        cpu_ms: of each service, for a run.
        calls: of the API for a run, by kind.
        commands: of Redis for a run, by name.
        api_mb: what the processes of the API hold together.
        redis_kb: what Redis holds of a run.
    """

    seconds: dict[str, float]
    cpu_ms: dict[str, float]
    calls: dict[str, float]
    commands: dict[str, float]
    api_mb: float
    redis_kb: float


@dataclass
class _Follower:
    """Follows the feed; ``seen`` holds when each run was seen in each step."""

    client: ApiClient
    stopping: Event = field(default_factory=Event)
    verdicts: dict[str, float] = field(default_factory=dict)
    closed: dict[str, float] = field(default_factory=dict)

    def follow(self) -> None:
        for batch in ChangeFollower(self.client, Cursor()).follow(self.stopping):
            for change in batch.changes if isinstance(batch, FeedPage) else ():
                at = change.at.timestamp()
                if change.run and change.what in _VERDICTS:
                    self.verdicts[change.run.run_id] = at
                elif change.run and change.what == "finished":
                    self.closed[change.run.run_id] = at


@click.command()
@click.option("--machines", default=1000, show_default=True)
@click.option("--tls/--plain", "only", default=None, help="Only with mutual TLS, or only without; both by default.")
@click.option("--workers", default=1, show_default=True, help="Worker processes.")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A setting of all services.")
@click.option("--details", is_flag=True, help="Also print calls and commands by kind.")
def main(*, machines: int, only: bool | None, workers: int, given: tuple[str, ...], details: bool) -> None:
    """Measure storms, print a table, and fail if a machine did not get its verdict."""
    settings = dict(pair.split("=", 1) for pair in given)
    storms = {}
    for use_tls in (False, True) if only is None else (only,):
        with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as text:
            storms["mTLS" if use_tls else "plain"] = _storm(Path(text), machines, workers, settings, use_tls=use_tls)
    _show(storms, details=details)


def _storm(folder: Path, machines: int, workers: int, settings: dict[str, str], *, use_tls: bool) -> Storm:
    bmc_port = free_port()
    (folder / "devices.toml").write_text("".join(_entry(n, bmc_port) for n in range(machines)))
    (folder / "dnsmasq.log").touch()
    flags = dict.fromkeys(("REDIS_USE_TLS", "API_USE_TLS"), str(use_tls).lower())
    with Stack(folder, _SETTINGS | flags | settings) as stack:
        stack.start_redis()
        stack.start("api")
        stack.start("simulate", "--boot-seconds", "1", "--check-seconds", "1", "--power-log", str(folder / "power"))
        for number in range(workers):
            stack.spawn("work", name="work" if number == 0 else f"work{number}")
        stack.start("tail")
        follower = _Follower(ApiClient(stack.settings, tls.ClientContexts()))
        with _following(follower), contextlib.closing(_redis(stack)) as redis:
            time.sleep(3)  # all services have started, and what they do then is no cost of a run
            return _measured(stack, follower, redis, machines=machines, workers=workers)


def _measured(stack: Stack, follower: _Follower, redis: Any, *, machines: int, workers: int) -> Storm:
    names = [*_SERVICES, *(f"work{number}" for number in range(1, workers))]
    commands, stored = _commands(redis), _stored(redis)
    used = {name: cpu_s(stack.pid(name)) for name in names}
    skip = len(stack.log_of("api"))
    began = time.time()
    with (stack.folder / "dnsmasq.log").open("ab", buffering=0) as file:
        file.write(b"".join(map(_lease, range(machines))))
    _await(follower, machines, began + 60 + machines * _LONGEST_S_A_RUN)
    spent = {name: (cpu_s(stack.pid(name)) - used[name]) * 1000 / machines for name in names}
    for name in names[len(_SERVICES) :]:
        spent["work"] += spent.pop(name)
    powered = [json.loads(line)["at"] for line in (stack.folder / "power").read_text().splitlines()]
    if len(powered) != machines:
        sys.exit(
            f"{machines} machines were to be switched on once each, and power was switched on {len(powered)} times"
        )
    calls = Counter(f"{method} {what}{step}" for method, what, step in _CALL.findall(stack.log_of("api")[skip:]))
    return Storm(
        seconds={
            "powered": max(powered) - began,
            "verdict": max(follower.verdicts.values()) - began,
            "closed": max(follower.closed.values()) - began,
        },
        cpu_ms=spent,
        calls={name: number / machines for name, number in calls.items()},
        commands={name: number / machines for name, number in (_commands(redis) - commands).items()},
        api_mb=pss_mb(stack.pid("api")),
        redis_kb=(_stored(redis) - stored) / machines / 1024,
    )


def _await(follower: _Follower, machines: int, deadline: float) -> None:
    while len(follower.closed) < machines or len(follower.verdicts) < machines:
        if time.time() > deadline:
            sys.exit(f"only {len(follower.verdicts)} of {machines} runs got their verdict in time")
        time.sleep(0.2)


@contextlib.contextmanager
def _following(follower: _Follower) -> Iterator[None]:
    thread = Thread(target=follower.follow)
    thread.start()
    try:
        yield
    finally:
        follower.stopping.set()
        thread.join()


def _redis(stack: Stack) -> Any:
    """As the API: `bringup redis-conf` makes no user that may ask for more than it needs."""
    return connect_redis(stack.settings_of("api"), tls.ClientContexts(), name="bench")


def _stored(redis: Any) -> int:
    """Bytes without the buffers of connections: some 0.4 MB come and go with them, whatever the number of runs."""
    memory = redis.info("memory")
    return int(memory["used_memory"] - memory["mem_clients_normal"])


def _commands(redis: Any) -> Counter[str]:
    """Commands that Redis has executed until now, by name; those in a script, too."""
    stats = redis.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): int(of["calls"]) for name, of in stats.items()})


def _entry(n: int, port: int) -> str:
    return (
        f'[[device]]\nname = "m{n:05d}"\nbmc_mac = "{_mac(0x02, n)}"\nnic_macs = ["{_mac(0x06, n)}"]\n'
        f'bmc = "simulated://127.0.0.1:{port}/m{n:05d}"\n'
        "expected = { memory_gib = 64, cpu_count = 16, nics = 1, disks = [{ size_gb = 480, count = 2 }] }\n"
    )


def _lease(n: int) -> bytes:
    ip = f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
    return f"Nov 23 09:41:36 dnsmasq-dhcp[8265]: DHCPACK(br0) {ip} {_mac(0x02, n)} \n".encode()


def _mac(first: int, n: int) -> str:
    return f"{first:02x}:00:00:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}"


def _show(storms: dict[str, Storm], *, details: bool) -> None:
    rows: dict[str, dict[str, float]] = {}
    for name, storm in storms.items():
        found = {f"all {step} after, s": seconds for step, seconds in storm.seconds.items()}
        found |= {f"{service}, ms of CPU a run": ms for service, ms in storm.cpu_ms.items()}
        found |= {"API calls a run": sum(storm.calls.values()), "Redis commands a run": sum(storm.commands.values())}
        found |= {"API processes, MB": storm.api_mb, "Redis, kB a run": storm.redis_kb}
        if details:
            found |= {f"  {call}": number for call, number in sorted(storm.calls.items())}
            found |= {f"  {command}": number for command, number in sorted(storm.commands.items()) if number >= 0.1}
        for row, value in found.items():
            rows.setdefault(row, {})[name] = value
    click.echo(f"| | {' | '.join(storms)} |\n|---|{'--:|' * len(storms)}")
    for row, values in rows.items():
        click.echo(f"| {row} | {' | '.join(f'{values.get(name, 0):.1f}' for name in storms)} |")


if __name__ == "__main__":
    main()
