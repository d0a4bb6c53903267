"""Every follower of the feed sees each change, in order, while the API and Redis are killed again and again."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread

import pytest

from bringup import errors, tls
from bringup.connections.api_client import ApiClient
from bringup.connections.change_feed import ChangeFollower, Cursor
from bringup.model import LeaseEvent
from bringup.wire.changes import FeedSnapshot
from bringup.wire.run import Run, RunDecision, RunList
from bringup.wire.run_events import EventType, RunEvent, RunEventReply
from bringup_cli.demo.stack import Stack, StackError

pytestmark = pytest.mark.slow

CHANGES = 10_000
KILLS = 50
WRITERS = 6
EPOCH = 1795426896
WITHIN_S = 900.0


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    (tmp_path / "devices.toml").touch()
    with Stack(tmp_path, {}) as made:
        made.start_redis()
        made.start("api")
        yield made


class Follower:
    """What one follower has seen: the numbers in their order, and the runs as it was told last."""

    def __init__(self, stack: Stack, stopping: Event) -> None:
        self.numbers: list[int] = []
        self.runs: dict[str, Run] = {}
        self._feed = ChangeFollower(ApiClient(stack.settings, tls.ClientContexts()), Cursor())
        self._stopping = stopping
        self.snapshots = 0
        self.thread = Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self) -> None:
        for batch in self._feed.follow(self._stopping):
            if isinstance(batch, FeedSnapshot):
                self.snapshots += 1
                self.runs |= {run.run_id: run for run in batch.runs}
                self.numbers.append(batch.id)
                continue
            for change in batch.changes:
                self.numbers.append(change.id)
                if change.run:
                    self.runs[change.run.run_id] = change.run


def persist(act: Callable[..., object], *arguments: object) -> None:
    """Repeat a call until the API has taken it; what it refuses is on the timeline, too."""
    while True:
        try:
            act(*arguments)
        except errors.ApiRejected:
            return
        except errors.TransientError:
            time.sleep(0.05)
        else:
            return


def write(stack: Stack, writer: int) -> None:
    """Leases of unknown machines, each with some lines that come out of turn: all of them are changes."""
    client = ApiClient(stack.settings, tls.ClientContexts())
    for number in range(CHANGES // WRITERS // 5):
        mac = f"02:00:00:00:{writer:02x}:{number % 200:02x}"
        lease = LeaseEvent.model_validate(
            {"mac": mac, "ip": "10.0.0.1", "action": "assigned", "starts": EPOCH + number, "source": "test"}
        )
        persist(client.put, f"/runs/{lease.run_id}", lease, RunDecision)
        event = RunEvent(type=EventType.MEDIA_INSERTED, owner="w")
        for _ in range(4):
            persist(client.post, f"/runs/{lease.run_id}/events", event, RunEventReply)


def kill_one(stack: Stack, choose: random.Random) -> None:
    name = choose.choice(("api", "redis"))
    os.killpg(stack.pid(name), signal.SIGKILL)
    while stack.runs(name):
        time.sleep(0.02)
    try:
        stack.run_redis() if name == "redis" else stack.start("api")
    except StackError as error:
        raise AssertionError(str(error)) from error


def test_every_follower_sees_each_change_in_order_through_50_kills(stack: Stack) -> None:
    stopping, choose = Event(), random.Random(1)  # noqa: S311 - which one is killed next
    early = Follower(stack, stopping)
    with ThreadPoolExecutor(WRITERS) as writers:
        done = [writers.submit(write, stack, number) for number in range(WRITERS)]
        time.sleep(1)
        late = Follower(stack, stopping)
        for _ in range(KILLS):
            kill_one(stack, choose)
        for one in done:
            one.result(timeout=WITHIN_S)
    newest = stack.api.get("/changes/snapshot", FeedSnapshot).id
    assert newest >= CHANGES * 0.9
    deadline = time.monotonic() + 120
    while {one.numbers[-1:][0] for one in (early, late)} != {newest}:
        assert time.monotonic() < deadline, (early.numbers[-1:], late.numbers[-1:], newest)
        time.sleep(0.1)
    stopping.set()
    shown = {run.run_id: run.state for run in stack.api.get("/runs?limit=10000", RunList).runs}
    for follower in (early, late):
        assert follower.snapshots == 1, "no change was trimmed, and no state was lost"
        first = follower.numbers[0]
        assert sorted(set(follower.numbers)) == list(range(first, newest + 1)), "a change was missed"
        assert follower.numbers == sorted(follower.numbers), "a change came out of order"
        assert {run_id: run.state for run_id, run in follower.runs.items()} == shown
