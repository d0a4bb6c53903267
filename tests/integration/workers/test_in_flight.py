"""What rq keeps on record in Redis, and what we make of it, without a worker process."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis.exceptions
from rq import Queue

from bringup import keys, tls
from bringup.connections.redis_client import connect_redis
from bringup.errors import ApiUnavailable, BringupError
from bringup.model import JobKind, LeaseEvent, utc_now
from bringup.queues import Queues, job_id_of
from bringup.settings import Settings
from bringup.wire.run import Run
from tests.integration.workers.open_run import RUN_ID, run_that_owes
from workers import delayed, in_flight
from workers.clock_queue import RedisClockQueue
from workers.deadlines import Deadlines
from workers.job import JobFunction, Task, job_class
from workers.reaper import Reaper, Suspects
from workers.runner import Runner
from workers.worker import QueueWorker

BOOT_ID = job_id_of(JobKind.BOOT, RUN_ID)


class Records:
    """Queues on the shared Redis, and a worker that does one job at a time."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.redis = connect_redis(settings, tls.ClientContexts(), name="tests")
        self.queues = Queues(self.redis)
        self.boots = self.queues.queue(JobKind.BOOT)

    def worker(self, function: JobFunction) -> QueueWorker:
        """A worker on the queue of boots."""
        kind = job_class(self.settings, {"workers.jobs.boot": function})
        return QueueWorker(
            {JobKind.BOOT: self.boots},
            self.settings,
            name="tests",
            deadlines=Deadlines(),
            connection=self.redis,
            job_class=kind,
            serializer=self.boots.serializer,
        )

    def work_once(self, worker: QueueWorker) -> None:
        """Do the job that waits."""
        found = worker.next_job(JobKind.BOOT)
        assert found
        worker.execute_job(*found)

    def has_failed(self) -> bool:
        """Whether the boot job is on record as failed."""
        return self.redis.zscore(self.boots.failed_job_registry.key, BOOT_ID) is not None

    def is_scheduled(self) -> bool:
        """Whether it will be tried again."""
        return self.redis.zscore(self.boots.scheduled_job_registry.key, BOOT_ID) is not None


@pytest.fixture
def records(settings: Settings) -> Records:
    return Records(settings)


def nothing(_task: object, *, run_id: str) -> None:
    assert run_id == RUN_ID


def away(_task: object, *, run_id: str) -> None:
    raise ApiUnavailable(run_id)


@pytest.mark.parametrize("function", [nothing, away])
def test_a_job_does_not_fail_because_redis_does(
    records: Records, function: JobFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.queues.add(JobKind.BOOT, RUN_ID)
    worker = records.worker(function)
    ended = worker.handle_execution_ended
    errors: list[Exception] = [redis.exceptions.ConnectionError("gone for a moment")]

    def interrupted(*args: object) -> None:
        if errors:
            raise errors.pop()
        ended(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(worker, "handle_execution_ended", interrupted)
    with pytest.raises(redis.exceptions.ConnectionError):
        records.work_once(worker)
    assert not records.has_failed()
    assert in_flight.is_started(records.boots, BOOT_ID), "the reaper must find it"


def test_a_job_is_not_quarantined_because_redis_fails(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise redis.exceptions.ConnectionError("gone for a moment")

    records.queues.add(JobKind.BOOT, RUN_ID)
    worker = records.worker(nothing)
    monkeypatch.setattr(worker.job_class, "fetch", interrupted)
    with pytest.raises(redis.exceptions.ConnectionError):
        worker.next_job(JobKind.BOOT)
    assert in_flight.dequeued(records.boots) == [BOOT_ID], "the reaper must find it"


def test_a_transient_error_schedules_the_job_again_and_a_later_try_ends_it(records: Records) -> None:
    records.queues.add(JobKind.BOOT, RUN_ID)
    records.work_once(records.worker(away))
    assert records.is_scheduled()
    assert not records.has_failed()
    assert delayed.enqueue_due(records.redis, records.queues) == 0, "its time has not come"
    records.redis.zadd(records.boots.scheduled_job_registry.key, {BOOT_ID: 1})
    assert delayed.enqueue_due(records.redis, records.queues) == 1
    assert delayed.enqueue_due(records.redis, records.queues) == 0
    records.work_once(records.worker(nothing))
    assert not records.is_scheduled()
    assert not in_flight.started(records.boots)


def test_a_permanent_error_is_recorded_at_once(records: Records) -> None:
    def refused(_task: object, *, run_id: str) -> None:
        raise BringupError(run_id)

    records.queues.add(JobKind.BOOT, RUN_ID)
    records.work_once(records.worker(refused))
    assert records.has_failed()
    assert not records.is_scheduled()


def test_a_job_that_a_run_lives_by_is_enqueued_anew_a_while_after_it_failed(records: Records) -> None:
    records.queues.add(JobKind.BOOT, RUN_ID)
    records.work_once(records.worker(lambda _task, **_: 1 / 0))  # type: ignore[arg-type]
    reaper = Reaper(records.redis, records.queues, clock=lambda: 0.0)
    reaper._gone = Suspects(0)
    owing = [run_that_owes(JobKind.BOOT)]
    assert reaper.enqueue_missing(lambda: owing) == [], "not at once"
    reaper._failed = Suspects(0)
    assert reaper.enqueue_missing(lambda: owing) == [BOOT_ID]
    assert not records.has_failed()
    assert reaper.enqueue_missing(lambda: owing) == [], "it is there now"
    records.work_once(records.worker(nothing))


def test_an_error_of_the_api_makes_the_reaper_forget_what_it_suspected(records: Records) -> None:
    reaper = Reaper(records.redis, records.queues, clock=lambda: 0.0)
    owing = [run_that_owes(JobKind.BOOT)]
    reaper.enqueue_missing(lambda: owing)

    def fail() -> list[Run]:
        raise ApiUnavailable("away")

    with pytest.raises(ApiUnavailable):
        reaper.enqueue_missing(fail)
    assert not reaper._gone._since


def test_a_live_execution_is_never_requeued(records: Records) -> None:
    records.queues.add(JobKind.BOOT, RUN_ID)
    entered, leave = threading.Event(), threading.Event()

    def slow(_task: object, *, run_id: str) -> None:
        entered.set()
        assert leave.wait(180), run_id

    worker = records.worker(slow)
    thread = threading.Thread(target=records.work_once, args=(worker,), daemon=True)
    thread.start()
    assert entered.wait(180)
    reaper = Reaper(records.redis, records.queues)
    reaper._silent = Suspects(0)
    in_flight.beat(records.redis, worker.running())
    assert reaper.requeue_in_flight() == []
    records.redis.zadd(keys.EXECUTIONS, dict.fromkeys(worker.running(), time.time() - 60))
    assert reaper.requeue_in_flight() == [BOOT_ID]
    assert reaper.requeue_in_flight() == []
    leave.set()
    thread.join(60)


def test_what_has_expired_is_forgotten(records: Records) -> None:
    registries = [records.boots.finished_job_registry.key, records.boots.failed_job_registry.key]
    for key in registries:
        records.redis.zadd(key, {"old": 1, "new": time.time() + 60})
    for key in ("rq:workers", "rq:workers:boots"):
        records.redis.sadd(key, "rq:worker:killed")
    Reaper(records.redis, records.queues).drop_expired()
    assert [records.redis.zrange(key, 0, -1) for key in registries] == [[b"new"], [b"new"]]
    assert not records.redis.exists("rq:workers", "rq:workers:boots")


def test_two_reapers_at_once_put_a_job_back_once(records: Records) -> None:
    records.queues.add(JobKind.BOOT, RUN_ID)
    records.redis.lmove("rq:queue:boots", "rq:queue:boots:intermediate")
    reapers = [Reaper(records.redis, records.queues) for _ in range(4)]
    barrier = threading.Barrier(4)
    done: list[str] = []

    def reap(reaper: Reaper) -> None:
        reaper._silent = Suspects(0)
        barrier.wait(180)
        done.extend(reaper.requeue_in_flight())

    threads = [threading.Thread(target=reap, args=(reaper,)) for reaper in reapers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert done == [BOOT_ID]
    assert records.redis.lrange("rq:queue:boots", 0, -1) == [BOOT_ID.encode()]


def test_one_process_looks_for_missing_jobs_and_another_takes_over_when_its_turn_ends(records: Records) -> None:
    first, second = Reaper(records.redis, records.queues), Reaper(records.redis, records.queues)
    asked: list[str] = []

    def open_runs_of(name: str) -> Callable[[], list[Run]]:
        def ask() -> list[Run]:
            asked.append(name)
            return []

        return ask

    for _ in range(2):
        first.enqueue_missing(open_runs_of("first"))
        second.enqueue_missing(open_runs_of("second"))
    assert asked == ["first", "first"]
    assert 0 < records.redis.pttl(keys.REAPER_LOCK) <= 10_000
    records.redis.delete(keys.REAPER_LOCK)  # the first was killed, and its turn has ended
    second.enqueue_missing(open_runs_of("second"))
    assert asked == ["first", "first", "second"]


@pytest.mark.parametrize("place", ["queue", "intermediate", "scheduled", "started"])
def test_a_job_that_is_anywhere_is_not_missing(records: Records, place: str) -> None:
    if place == "scheduled":
        records.queues.add(JobKind.BOOT, RUN_ID, at=utc_now() + timedelta(hours=1))
    else:
        records.queues.add(JobKind.BOOT, RUN_ID)
    if place in {"intermediate", "started"}:
        records.redis.lmove("rq:queue:boots", "rq:queue:boots:intermediate")
    if place == "started":
        records.redis.zadd(records.boots.started_job_registry.key, {f"{BOOT_ID}:execution": time.time()})
        records.redis.delete("rq:queue:boots:intermediate")
    reaper = Reaper(records.redis, records.queues)
    reaper._gone = Suspects(0)
    assert reaper.enqueue_missing(lambda: [run_that_owes(JobKind.BOOT)]) == []


def test_what_a_look_for_missing_jobs_costs_does_not_grow_with_the_runs(records: Records) -> None:
    def commands() -> int:
        return int(records.redis.info("commandstats").get("cmdstat_lrange", {}).get("calls", 0))

    reaper = Reaper(records.redis, records.queues)
    runs = [run_that_owes(JobKind.BOOT).model_copy(update={"run_id": f"{RUN_ID[:-1]}{n}"}) for n in range(10)]
    before = commands()
    reaper.enqueue_missing(lambda: runs)
    assert commands() - before == 2, "of the one queue of their jobs"


def test_a_worker_gets_no_heartbeat_before_it_is_registered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # rq takes a name that has a heartbeat for another worker's, and asks by a command that the role must not run.
    runner = Runner(settings)
    unpatched: Any = QueueWorker.register_birth

    def beat_first(worker: QueueWorker) -> None:
        runner._keep_records()
        unpatched(worker)

    monkeypatch.setattr(QueueWorker, "register_birth", beat_first)
    runner.stop()
    runner._work_as("0")()


def test_a_worker_names_all_queues_for_the_tools_of_rq_when_it_starts(settings: Settings, records: Records) -> None:
    records.redis.delete(keys.RQ_QUEUES)
    runner = Runner(settings)
    runner.stop()
    runner._work_as("0")()
    assert records.redis.scard(keys.RQ_QUEUES) == len(JobKind)


def test_a_job_that_has_ended_leaves_nothing_in_redis(records: Records) -> None:
    records.queues.add(JobKind.BOOT, RUN_ID)
    records.work_once(records.worker(nothing))
    assert not records.redis.exists(keys.rq_job(BOOT_ID), records.boots.finished_job_registry.key)


def test_a_job_that_has_failed_before_does_not_expire_while_it_runs(records: Records) -> None:
    left: list[int] = []
    records.queues.add(JobKind.BOOT, RUN_ID)
    key = keys.rq_job(BOOT_ID)
    records.redis.hset(key, "ended_at", "2026-01-01T00:00:00.000000Z")
    records.redis.expire(key, 600)
    records.work_once(records.worker(lambda _task, **_: left.append(records.redis.ttl(key))))
    assert left == [-1]


def test_a_job_that_is_enqueued_anew_while_it_runs_is_done_again(records: Records) -> None:
    """As the boot job of a run that is given a boot slot while the job that was refused one is about to end."""
    done: list[str] = []

    def enqueues_itself_once(_task: object, *, run_id: str) -> None:
        done.append(run_id)
        if len(done) == 1:
            records.queues.add(JobKind.BOOT, run_id)

    records.queues.add(JobKind.BOOT, RUN_ID)
    worker = records.worker(enqueues_itself_once)
    records.work_once(worker)
    assert records.redis.hget(keys.rq_job(BOOT_ID), "status") == b"queued"
    assert records.redis.ttl(keys.rq_job(BOOT_ID)) == -1
    records.work_once(worker)
    assert done == [RUN_ID, RUN_ID]
    assert not records.redis.exists(keys.rq_job(BOOT_ID))


def test_what_a_job_has_counted_outlives_its_end_if_it_was_enqueued_anew_meanwhile(records: Records) -> None:
    counts: list[int] = []

    def counts_and_enqueues_itself_once(task: Task, *, run_id: str) -> None:
        counts.append(task.count("tries"))
        if len(counts) == 1:
            records.queues.add(JobKind.BOOT, run_id)

    records.queues.add(JobKind.BOOT, RUN_ID)
    for _ in range(2):
        records.work_once(records.worker(counts_and_enqueues_itself_once))
    assert counts == [1, 2]
    assert not records.redis.exists(keys.rq_job(BOOT_ID))


def test_a_job_that_was_cancelled_is_gone_unless_it_is_on_its_queue(records: Records) -> None:
    def cancel() -> None:
        with records.redis.pipeline() as pipe:
            records.queues.cancel(JobKind.BOOT, RUN_ID, pipe)
            pipe.execute()

    records.queues.add(JobKind.BOOT, RUN_ID, at=utc_now() + timedelta(hours=1))
    assert records.is_scheduled()
    cancel()
    assert not records.is_scheduled()
    assert not records.redis.exists(keys.rq_job(BOOT_ID))
    records.queues.add(JobKind.BOOT, RUN_ID)
    cancel()
    records.work_once(records.worker(nothing))


def test_a_delayed_job_that_another_process_has_moved_is_not_moved_again(records: Records) -> None:
    records.queues.add(JobKind.BOOT, RUN_ID)
    assert not delayed._enqueue(records.redis, records.boots, BOOT_ID)
    assert records.boots.get_job_ids() == [BOOT_ID]


def test_a_delayed_job_that_is_gone_is_put_on_no_queue(records: Records) -> None:
    records.redis.zadd(records.boots.scheduled_job_registry.key, {BOOT_ID: 1})
    assert delayed.enqueue_due(records.redis, records.queues) == 0
    assert records.boots.get_job_ids() == []
    assert not records.is_scheduled()


def test_a_job_that_is_all_in_its_id_has_no_hash_while_it_runs(records: Records) -> None:
    stored: list[bool] = []
    records.queues.add(JobKind.BOOT, RUN_ID)
    records.work_once(
        records.worker(lambda _task, **_: stored.append(bool(records.redis.exists(keys.rq_job(BOOT_ID)))))
    )
    assert stored == [False]


def test_a_job_whose_worker_died_is_done_by_its_id_alone(records: Records) -> None:
    done: list[str] = []
    worker = records.worker(lambda _task, run_id: done.append(run_id))
    records.redis.lpush("rq:queue:boots:intermediate", BOOT_ID)
    records.redis.zadd(records.boots.started_job_registry.key, {f"{BOOT_ID}:of-the-dead": time.time() + 3600})
    reaper = Reaper(records.redis, records.queues)
    reaper._silent = Suspects(0)
    assert reaper.requeue_in_flight() == [BOOT_ID]
    records.work_once(worker)
    assert done == [RUN_ID]
    assert not in_flight.any_started(records.redis, records.queues)


def test_what_a_job_counts_outlives_its_worker(records: Records) -> None:
    counts: list[int] = []

    def dies(task: Task, **_: object) -> None:
        counts.append(task.count("tries"))
        raise redis.exceptions.ConnectionError("gone for a moment")

    records.queues.add(JobKind.BOOT, RUN_ID)
    reaper = Reaper(records.redis, records.queues)
    reaper._silent = Suspects(0)
    for _ in range(2):
        with pytest.raises(redis.exceptions.ConnectionError):
            records.work_once(records.worker(dies))
        assert reaper.requeue_in_flight() == [BOOT_ID]
    records.work_once(records.worker(lambda task, **_: counts.append(task.count("tries"))))
    assert counts == [1, 2, 3]
    assert not records.redis.exists(keys.rq_job(BOOT_ID))


def test_a_worker_that_dies_as_it_schedules_its_job_again_leaves_one_that_can_be_read(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise redis.exceptions.ConnectionError("gone for a moment")

    records.queues.add(JobKind.BOOT, RUN_ID)
    with monkeypatch.context() as patch:
        patch.setattr(RedisClockQueue, "schedule_job", dies)
        with pytest.raises(redis.exceptions.ConnectionError):
            records.work_once(records.worker(away))
    reaper = Reaper(records.redis, records.queues)
    reaper._silent = Suspects(0)
    assert reaper.requeue_in_flight() == [BOOT_ID]
    records.work_once(records.worker(nothing))
    assert not records.redis.exists(keys.QUARANTINE, keys.rq_job(BOOT_ID))


def test_a_job_that_fails_is_kept_whole(records: Records) -> None:
    records.queues.add(JobKind.BOOT, RUN_ID)
    before = records.redis.hgetall(keys.rq_job(BOOT_ID))
    records.work_once(records.worker(lambda _task, **_: 1 / 0))  # type: ignore[arg-type]
    kept = records.redis.hgetall(keys.rq_job(BOOT_ID))
    assert kept[b"data"] == before[b"data"]
    assert kept[b"status"] == b"failed"


def test_an_id_that_names_no_run_is_no_job(records: Records) -> None:
    for job_id in ("nothing_boot", BOOT_ID.replace("boot", "finish"), RUN_ID):
        records.redis.rpush("rq:queue:boots", job_id)
        assert records.worker(nothing).next_job(JobKind.BOOT) is None


def test_a_deadline_that_was_moved_after_its_job_ran_is_due_all_the_same(records: Records) -> None:
    with records.redis.pipeline() as pipe:
        records.queues.postpone(JobKind.EXPIRE, RUN_ID, utc_now() - timedelta(seconds=1), pipe)
        pipe.execute()
    assert delayed.enqueue_due(records.redis, records.queues) == 1
    assert records.queues.queue(JobKind.EXPIRE).get_job_ids() == [job_id_of(JobKind.EXPIRE, RUN_ID)]


def test_a_job_that_is_started_is_not_among_the_lost_ones(records: Records) -> None:
    """It stays among the dequeued ones until it ends."""
    reaper = Reaper(records.redis, records.queues)
    reaper._silent = Suspects(0)
    found: list[object] = []

    def look(_task: object, **_: object) -> None:
        in_flight.beat(records.redis, worker.running())
        found.extend([in_flight.dequeued(records.boots), reaper.requeue_in_flight()])
        found.append(reaper._requeue(JobKind.BOOT, BOOT_ID))

    worker = records.worker(look)
    records.queues.add(JobKind.BOOT, RUN_ID)
    records.work_once(worker)
    assert found == [[], [], False]


@pytest.fixture
def lease(records: Records) -> Queue:
    """The queue of leases, of which one is dequeued."""
    queue = records.queues.queue(JobKind.DISCOVER)
    fields = {"mac": "02:00:00:00:00:01", "ip": "10.0.0.1", "action": "assigned", "source": "jsonl"}
    assert records.queues.add_lease(LeaseEvent.model_validate(fields | {"starts": "2026-01-01T00:00:00Z"}))
    records.redis.lmove(queue.key, queue.intermediate_queue_key)
    return queue


@pytest.mark.parametrize(("marked_s", "lost"), [(None, True), (60, True), (1, False)])
def test_a_lease_that_is_dequeued_is_lost_unless_its_execution_is_marked(
    records: Records, lease: Queue, marked_s: float | None, *, lost: bool
) -> None:
    reaper = Reaper(records.redis, records.queues)
    reaper._silent = Suspects(0)
    if marked_s is not None:
        records.redis.zadd(keys.EXECUTIONS, {f"{RUN_ID}:execution": time.time() - marked_s})
    assert reaper.requeue_in_flight() == [RUN_ID] * lost
    assert reaper._requeue(JobKind.DISCOVER, RUN_ID) is False, "by another process, or its worker is alive"
    assert lease.count == lost


def test_a_lease_that_is_dequeued_counts_as_started(records: Records, lease: Queue) -> None:
    connection: Any = records.redis
    counted = records.queues.counted_by()[lease.name]
    assert connection.execute_command(*counted["started"]) == 1
    assert connection.execute_command(*counted["queued"]) == 0
