"""Jobs that do nothing, and jobs that wait: how many a second, and what each costs in Redis, processor and memory.

The baseline is rq's own SimpleWorker in as many threads, on the same Redis. All jobs are on their queues before the
measurement begins; it covers those between the first tenth and the last.
"""

import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from redis import Redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty

from bench.processes import cpu_s, peak_mb
from bringup import keys
from bringup.connections.redis_client import connect_redis
from bringup.model import JobKind
from bringup.queues import Queues
from bringup.settings import load
from bringup.tls import ClientContexts
from bringup_cli.demo.stack import Stack
from workers import runner

# How a site's jobs are spread: of eight, so many of each kind.
_MIX = (*[JobKind.BOOT] * 4, *[JobKind.FINISH] * 2, JobKind.DISCOVER, JobKind.EXPIRE)
_OF_RQ = "of-rq"
_OURS, _RQ = "bringup", "rq"
# Named in the environment of a worker process: seconds that a job waits.
_JOB_S = "BENCH_JOB_S"


@dataclass(frozen=True)
class Load:
    """What the workers are given: ``processes`` of ``threads`` each, and jobs that wait ``job_s`` seconds."""

    processes: int
    threads: int
    job_s: float

    def __str__(self) -> str:
        return f"{self.job_s * 1000:.0f} ms, {self.processes} x {self.threads} threads"


@dataclass(frozen=True)
class Measured:
    """Of one set of worker processes.

    Args:
        rate: jobs a second.
        cpu_ms: of all worker processes, a job.
        round_trips, commands: at Redis, a job.
        rss_mb: peak of all worker processes.
    """

    rate: float
    cpu_ms: float
    round_trips: float
    commands: float
    rss_mb: float


@click.command()
@click.option("--jobs", default=4000, show_default=True, help="In each measurement.")
@click.option("--rounds", default=3, show_default=True, help="The best rate of so many is shown.")
@click.option("--plain/--both", default=False, help="Without TLS alone.")
def main(jobs: int, rounds: int, plain: bool) -> None:  # noqa: FBT001 - click's
    """Measure, and print a table."""
    click.echo("| jobs | workers | transport | jobs/s | CPU ms | round trips | commands | MB | jobs/s in 100 MB |")
    click.echo("|---|---|---|--:|--:|--:|--:|--:|--:|")
    for use_tls in (False,) if plain else (False, True):
        with tempfile.TemporaryDirectory(prefix="bench-") as text, _stack(Path(text), use_tls=use_tls) as stack:
            for given in (Load(1, 16, 0.0), Load(2, 16, 0.0), Load(1, 64, 0.05)):
                for workers in (_RQ, _OURS):
                    found = [_measure(stack, workers, given, jobs) for _ in range(rounds)]
                    best = max(found, key=lambda one: one.rate)
                    click.echo(f"| {given} | {workers} | {'mTLS' if use_tls else 'plain'} | {_cells(best)} |")


def _cells(one: Measured) -> str:
    return (
        f"{one.rate:.0f} | {one.cpu_ms:.2f} | {one.round_trips:.1f} | {one.commands:.1f} | {one.rss_mb:.0f}"
        f" | {one.rate / one.rss_mb * 100:.0f}"
    )


@contextmanager
def _stack(folder: Path, *, use_tls: bool) -> Iterator[Stack]:
    (folder / "devices.toml").touch()
    with Stack(folder, {"REDIS_USE_TLS": str(use_tls).lower()}) as stack:
        stack.start_redis()
        yield stack


def _measure(stack: Stack, workers: str, given: Load, jobs: int) -> Measured:
    """One set of processes does ``jobs`` jobs."""
    redis = connect_redis(stack.settings_of("worker"), ClientContexts(), name="bench")
    queues = Queues(redis)
    started = [_spawn(stack, workers, given) for _ in range(given.processes)]
    try:
        _enqueue(redis, queues, workers, jobs)
        return _watched(redis, queues, workers, started, jobs)
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


def _spawn(stack: Stack, workers: str, given: Load) -> "subprocess.Popen[bytes]":
    variables = {"WORKER_CONCURRENCY": str(given.threads), _JOB_S: str(given.job_s)}
    command = [sys.executable, "-m", "bench.jobs", workers]
    environ = stack.environment("worker") | variables
    with (stack.folder / "bench.log").open("ab") as log:
        return subprocess.Popen(command, cwd=stack.folder, env=environ, stdout=log, stderr=log, start_new_session=True)


def _enqueue(redis: Redis, queues: Queues, workers: str, jobs: int) -> None:
    """All in one transaction: the workers that wait already see all of them at once."""
    # Of the measurement before: its last jobs were not waited for, and its ids are kept for a while.
    redis.delete(*_keys(queues, workers))
    fresh = f"02-00-00-00-{secrets.token_hex(1)}-{secrets.token_hex(1)}"
    theirs = Queue(_OF_RQ, connection=redis, serializer=JSONSerializer)
    with redis.pipeline() as pipe:
        for number in range(jobs):
            run_id = f"{fresh}-{1_700_000_000 + number}"
            if workers == _RQ:
                theirs.enqueue_job(theirs.create_job("bench.jobs.job", job_id=run_id, result_ttl=60), pipeline=pipe)
            else:
                queues.add(_MIX[number % len(_MIX)], run_id, pipeline=pipe)
        pipe.execute()


def _keys(queues: Queues, workers: str) -> list[str]:
    return [keys.rq_queue(_OF_RQ)] if workers == _RQ else [queues.queue(kind).key for kind in JobKind]


def _watched(
    redis: Redis, queues: Queues, workers: str, started: "list[subprocess.Popen[bytes]]", jobs: int
) -> Measured:
    keys = _keys(queues, workers)

    def done() -> int:
        with redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.llen(key)
            return jobs - int(sum(pipe.execute()))

    first, (began, at_first) = _reach(jobs // 10, done, redis, started)
    last, (ended, at_last) = _reach(jobs * 95 // 100, done, redis, started)
    count, looks = last - first, at_last["looks"] - at_first["looks"]
    return Measured(
        rate=count / (ended - began),
        cpu_ms=(at_last["cpu_s"] - at_first["cpu_s"]) * 1000 / count,
        round_trips=(at_last["reads"] - at_first["reads"] - looks) / count,
        commands=(at_last["commands"] - at_first["commands"] - looks * len(keys)) / count,
        rss_mb=sum(peak_mb(process.pid) for process in started),
    )


def _reach(
    wanted: int, done: Any, redis: Redis, started: "list[subprocess.Popen[bytes]]"
) -> tuple[int, tuple[float, dict[str, float]]]:
    """How many are done once ``wanted`` are, the time, and the counters then."""
    deadline = time.monotonic() + 300
    looks = 0
    while (now_done := done()) < wanted:
        looks += 1
        if time.monotonic() > deadline:
            sys.exit("the workers did not do their jobs within 300 s; see bench.log of the stack")
        time.sleep(0.05)
    stats = redis.info("stats")
    counters = {
        "cpu_s": sum(cpu_s(process.pid) for process in started),
        "reads": float(stats["total_reads_processed"]),
        "commands": float(stats["total_commands_processed"]),
        "looks": float(looks + 2),  # this look, and INFO
    }
    return now_done, (time.monotonic(), counters)


def job(*_args: object, **_more: object) -> None:
    """What each job does."""
    wait_s = float(os.environ.get(_JOB_S, "0"))
    if wait_s:
        time.sleep(wait_s)


class _StockWorker(SimpleWorker):
    """rq's own, with what it needs to run in a thread."""

    death_penalty_class = TimerDeathPenalty

    def _install_signal_handlers(self) -> None:
        pass

    def subscribe(self) -> None:
        pass

    def unsubscribe(self) -> None:
        pass


def _serve_rq() -> None:
    settings = load().settings
    redis = connect_redis(settings.model_copy(update={"redis_timeout_s": 500}), ClientContexts(), name="bench")

    def work() -> None:
        queue = Queue(_OF_RQ, connection=redis, serializer=JSONSerializer)
        _StockWorker([queue], connection=redis, serializer=JSONSerializer).work(logging_level="ERROR")

    for _ in range(settings.worker_concurrency):
        threading.Thread(target=work, daemon=True).start()
    threading.Event().wait()


def _serve_ours() -> None:
    runner.Runner(load().settings, lambda _context: {f"workers.jobs.{kind.value}": job for kind in JobKind}).run()


if __name__ == "__main__":
    if sys.argv[1:] in ([_OURS], [_RQ]):
        (_serve_ours if sys.argv[1] == _OURS else _serve_rq)()
    else:
        main()
