"""The limit of boots at once: storms of simulated machines at two API hosts, and what a crowd that waits costs.

Slots are counted from the feed of changes, which has them in the order in which Redis took them. The ideal is the time
in which the same boots, each as long as it was, would have filled every slot without a gap.
"""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import click

from bringup import keys, tls
from bringup.connections.api_client import ApiClient
from bringup.connections.change_feed import ChangeFollower, Cursor
from bringup.connections.redis_client import connect_redis
from bringup.model import LeaseAction, LeaseEvent, RunState
from bringup.queues import Queues
from bringup.wire.changes import FeedChange, FeedPage
from bringup_cli.demo.stack import Stack, free_port

_LONGEST_S_A_RUN = 1.0  # many times what one takes: other programs run on the machine
_HOLDS = {RunState.BOOTING, RunState.WAITING}
_WANTED_RATIO = 1.1
_WANTED_COMMANDS = 20.0


@dataclass
class Slots:
    """Follows the feed: which runs hold a slot, and how long they did."""

    client: ApiClient
    stopping: Event = field(default_factory=Event)
    held: dict[str, float] = field(default_factory=dict)
    ended: dict[str, tuple[float, float]] = field(default_factory=dict)
    most: int = 0
    waited: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)

    def follow(self) -> None:
        """Until ``stopping`` is set."""
        for batch in ChangeFollower(self.client, Cursor()).follow(self.stopping):
            for change in batch.changes if isinstance(batch, FeedPage) else ():
                if change.run:
                    self._apply(change, change.run.run_id)

    def clear(self) -> None:
        """Forget the storm before."""
        self.ended, self.most, self.waited, self.closed = {}, 0, set(), set()

    def _apply(self, change: FeedChange, run_id: str) -> None:
        at = change.at.timestamp()
        if change.what == "boot_slot_given":
            self.waited.add(run_id)
        if change.what == "boot_slot_given" or change.state in _HOLDS:
            self.held.setdefault(run_id, at)
        elif change.state != RunState.QUEUED and run_id in self.held:
            self.ended[run_id] = (self.held.pop(run_id), at)
        if change.what == "finished":
            self.closed.add(run_id)
        self.most = max(self.most, len(self.held))


@click.command()
@click.option("--storms", default=20, show_default=True)
@click.option("--machines", default=150, show_default=True, help="In each storm.")
@click.option("--limit", default=20, show_default=True, help="MAX_CONCURRENT_BOOTS.")
@click.option("--boot-seconds", default=3.0, show_default=True, help="From power to the first call of a machine.")
@click.option("--waiting", default=1000, show_default=True, help="Machines that wait for a slot.")
@click.option("--seconds", default=20.0, show_default=True, help="For which commands are counted.")
def main(*, storms: int, machines: int, limit: int, boot_seconds: float, waiting: int, seconds: float) -> None:
    """Measure, print both results, and fail if the limit was exceeded."""
    with _site(limit, storms * machines, boot_seconds) as (stack, slots):
        found = [_storm(stack, slots, machines, number) for number in range(storms)]
    for number, (most, took_s, ideal_s) in enumerate(found):
        click.echo(f"storm {number + 1}: at most {most} of {limit} at once; {took_s:.1f} s, ideal {ideal_s:.1f} s")
    with _site(limit, waiting + limit, 3600, follow=False) as (stack, _):
        idle, crowd = _waiting_costs(stack, waiting, seconds)
    ratios = sorted(took_s / ideal_s for _, took_s, ideal_s in found)
    if ratios:
        click.echo(f"the slowest storm took {ratios[-1]:.2f} x the ideal, the median {ratios[len(ratios) // 2]:.2f} x")
    more = crowd - idle
    click.echo(f"Redis commands a second: {idle:.1f} with no run, {crowd:.1f} with {waiting} that wait: {more:+.1f}")
    if max((most for most, _, _ in found), default=0) > limit:
        sys.exit("more machines booted at once than the limit")
    if ratios and ratios[-1] > _WANTED_RATIO:
        sys.exit(f"a storm took more than {_WANTED_RATIO} x the ideal")
    if more > _WANTED_COMMANDS:
        sys.exit(f"runs that wait cost more than {_WANTED_COMMANDS:.0f} commands a second")


@contextlib.contextmanager
def _site(limit: int, machines: int, boot_seconds: float, *, follow: bool = True) -> Iterator[tuple[Stack, Slots]]:
    """Redis, two API hosts with a worker process each, simulated machines, and a follower of the feed if ``follow``."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as text:
        folder = Path(text)
        bmcs, second = free_port(), free_port()
        (folder / "devices.toml").write_text("".join(_entry(n, bmcs) for n in range(machines)))
        settings = {"ENVIRONMENT": "development", "MAX_CONCURRENT_BOOTS": str(limit), "BOOT_TIMEOUT_S": "7200"}
        with Stack(folder, settings | {"RUN_TIMEOUT_S": "14400"}) as stack:
            stack.start_redis()
            stack.start("api")
            with _more(stack, "api", "api", CALLBACK_API_PORT=str(second), STATE_DIR=str(folder / "state2")):
                stack.start("simulate", "--boot-seconds", str(boot_seconds), "--check-seconds", "1")
                stack.spawn("work")
                with _more(stack, "work", "worker", CALLBACK_API_PORT=str(second)):
                    slots = Slots(ApiClient(stack.settings, tls.ClientContexts()))
                    thread = Thread(target=slots.follow)
                    if follow:
                        thread.start()
                    try:
                        time.sleep(5)  # all have started
                        yield stack, slots
                    finally:
                        slots.stopping.set()
                        if follow:
                            thread.join()


@contextlib.contextmanager
def _more(stack: Stack, service: str, role: str, **changed: str) -> Iterator[None]:
    """One more process of a service, as on another host."""
    command = [sys.executable, "-m", "bringup", service]
    with (stack.folder / f"{service}2.log").open("wb") as log:
        pid = os.posix_spawn(
            sys.executable,
            command,
            stack.environment(role) | changed,
            file_actions=[(os.POSIX_SPAWN_DUP2, log.fileno(), 1), (os.POSIX_SPAWN_DUP2, log.fileno(), 2)],
        )
    try:
        yield
    finally:
        os.kill(pid, 15)
        os.waitpid(pid, 0)


def _storm(stack: Stack, slots: Slots, machines: int, number: int) -> tuple[int, float, float]:
    """The most that held a slot at once, the seconds that all took, and the ideal ones."""
    slots.clear()
    _enqueue(stack, range(number * machines, (number + 1) * machines))
    _until(lambda: len(slots.closed) == machines, machines * _LONGEST_S_A_RUN + 60, "the runs of a storm did not end")
    starts, ends = zip(*slots.ended.values(), strict=True)
    took_s = max(ends) - min(starts)
    return slots.most, took_s, _ideal_s([end - start for start, end in slots.ended.values()], slots, machines)


def _ideal_s(held_s: list[float], slots: Slots, machines: int) -> float:
    """With every slot filled without a gap; the last round need not fill them all."""
    limit = machines - len(slots.waited)
    rounds = -(-machines // limit)
    return sum(held_s) / machines * rounds


def _waiting_costs(stack: Stack, waiting: int, seconds: float) -> tuple[float, float]:
    """Redis commands a second, before any lease and with so many runs that wait."""
    redis = connect_redis(stack.settings_of("api"), tls.ClientContexts(), name="bench")
    time.sleep(10)  # every thread is on record
    idle = _rate(redis, seconds)
    limit = stack.settings.max_concurrent_boots
    _enqueue(stack, range(waiting + limit))
    _until(
        lambda: redis.zcard(keys.WAITING_RUNS) >= waiting and redis.scard(keys.BOOTING_RUNS) == limit,
        waiting * _LONGEST_S_A_RUN + 60,
        "the runs did not come to wait",
    )
    time.sleep(10)  # the last jobs have ended
    return idle, _rate(redis, seconds)


def _rate(redis: Any, seconds: float) -> float:
    before, began = _commands(redis), time.monotonic()
    time.sleep(seconds)
    return (_commands(redis) - before) / (time.monotonic() - began)


def _commands(redis: Any) -> int:
    """Those that Redis has executed until now; those in a script, too."""
    return sum(int(of["calls"]) for of in redis.info("commandstats").values())


def _enqueue(stack: Stack, machines: range) -> None:
    redis = connect_redis(stack.settings_of("tailer"), tls.ClientContexts(), name="bench")
    with contextlib.closing(redis):
        queues = Queues(redis)
        for n in machines:
            queues.add_lease(_lease(n))


def _until(holds: Any, within_s: float, what: str) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"{what} within {within_s:.0f} s")
        time.sleep(0.1)


def _entry(n: int, port: int) -> str:
    return f'[[device]]\nname = "m{n}"\nbmc_mac = "{_mac(n)}"\nbmc = "simulated://127.0.0.1:{port}/m{n}"\n'


def _lease(n: int) -> LeaseEvent:
    return LeaseEvent.model_validate(
        {
            "mac": _mac(n),
            "ip": f"10.0.{n >> 8}.{n & 255}",
            "action": LeaseAction.ASSIGNED,
            "starts": "2026-01-01T00:00:00Z",
            "source": "bench",
        }
    )


def _mac(n: int) -> str:
    return f"02:00:00:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}"


if __name__ == "__main__":
    main()
