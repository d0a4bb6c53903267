"""What others have left in Redis: code to run, garbage, lost jobs. Nothing of it stops or owns the workers."""

import json
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest
from rq.job import Job

from bringup.model import JobKind, RunState
from bringup.queues import job_id_of
from bringup.wire.operator import QuarantinedJob, QueueList
from bringup.wire.run import RunDecision
from tests.integration.workers.conftest import StartWorker
from tests.integration.workers.site import Site, eventually

WITHIN_S = 180  # on a machine that stalls; that 15 are enough without is proven by tests/unit/workers/test_runner.py
LEASES = "rq:queue:leases"
CANARY = "bringup_canary"
DATE = "2026-01-01T00:00:00.000000Z"


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that leaves a file when it is imported; the workers could import it."""
    trace = tmp_path / "imported"
    (tmp_path / f"{CANARY}.py").write_text(
        f"import pathlib\npathlib.Path({str(trace)!r}).touch()\ndef call(*args, **kwargs): pass\n"
        "class Thing:\n    pass\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return trace


def put(site: Site, job_id: str, **fields: object) -> None:
    """A job hash as anybody could write it, on the queue of leases."""
    hash_of_it = {"created_at": DATE, "origin": "leases", "status": "queued", "timeout": "60", **fields}
    site.redis.hset(Job.key_for(job_id), mapping=hash_of_it)  # type: ignore[arg-type]
    site.redis.rpush(LEASES, job_id)


def quarantined(site: Site) -> dict[str, QuarantinedJob]:
    """The jobs in quarantine, as the API lists them."""
    return {job.job_id: job for job in site.client.get("/queues", QueueList).quarantine}


def data(*parts: object) -> bytes:
    return zlib.compress(json.dumps(parts).encode())


class Bomb:
    """Unpickling this imports the canary."""

    def __reduce__(self) -> Any:
        return eval, (f"__import__({CANARY!r})",)


def test_nothing_but_the_four_jobs_runs_and_nothing_is_imported(
    site: Site, start_worker: StartWorker, canary: Path, tmp_path: Path
) -> None:
    ours = "workers.jobs.expire"
    bad = {
        "system": data("os.system", None, [f"touch {tmp_path}/ran"], {}),
        "canary": data(f"{CANARY}.call", None, [], {}),
        "instance": data(ours, {"module": CANARY}, [], {"run_id": site.lease(0).run_id}),
        "arguments": data(ours, None, ["more"], {"run_id": site.lease(0).run_id}),
        "no-mapping": data(ours, None, [], ["run_id"]),
        "list-as-name": data([CANARY, "call"], None, [], {}),
        "no-job": b"{}",
        "pickle": zlib.compress(pickle.dumps(Bomb())),
        "bare-pickle": pickle.dumps((f"{CANARY}.call", Bomb(), (), {})),
    }
    for job_id, content in bad.items():
        put(
            site,
            job_id,
            data=content,
            success_callback_name=f"{CANARY}.call",
            failure_callback_name=f"{CANARY}.call",
            stopped_callback_name=f"{CANARY}.call",
            retries_left=9,
        )
    lease = site.lease(1)
    good = site.queues.queue(JobKind.DISCOVER).create_job(
        "workers.jobs.discover", kwargs={"lease": lease.model_dump(mode="json", exclude_none=True)}, job_id="good"
    )
    good.save()
    hooks = [
        {"url": f"http://127.0.0.1:{site.settings.callback_api_port}/hook", "job_status": "finished", "timeout": 1}
    ]
    site.redis.hset(
        good.key, mapping={"success_callback_name": f"{CANARY}.call", "webhooks": json.dumps(hooks), "origin": "leases"}
    )
    hook = site.gate.hold("after", "/hook")
    site.redis.rpush(LEASES, "good")

    worker = start_worker(site).ready()
    eventually(lambda: site.known(1), WITHIN_S, "the good job is done")
    eventually(lambda: quarantined(site).keys() == bad.keys(), WITHIN_S, "all others are put in quarantine")
    eventually(lambda: site.redis.hget(good.key, "status") == b"finished", 60, "the good job is finished")
    assert "'os.system', which is not on the allow-list" in quarantined(site)["system"].reason
    for job_id in bad:
        assert worker.log.count(f"job_id={job_id} ") == 1, f"{job_id} was tried again"
    assert worker.lives
    assert worker.terminate()[0] == 0
    assert not canary.exists()
    assert not (tmp_path / "ran").exists()
    assert not hook.reached.is_set(), "a webhook was called"


def test_garbage_stops_no_worker_and_goes_round_in_no_loop(site: Site, start_worker: StartWorker) -> None:
    fine = data("workers.jobs.expire", None, [], {"run_id": site.lease(0).run_id})
    garbage: dict[str, dict[str, object]] = {
        "bad-date": {"data": fine, "enqueued_at": "yesterday"},
        "bad-status": {"data": fine, "status": "confused"},
        "bad-timeout": {"data": fine, "timeout": "soon"},
        "bad-retries": {"data": fine, "number_of_retries": "many"},
        "not-utf8": {"data": fine, "worker_name": b"\xff\xfe"},
        "no-data": {"description": "only this"},
        "empty-data": {"data": b""},
        "half-data": {"data": fine[: len(fine) // 2]},
    }
    for job_id, fields in garbage.items():
        put(site, job_id, **fields)
        if job_id != "bad-status":  # whose status is set anew, and so corrected, when its time has come
            site.redis.zadd("rq:scheduled:leases", {job_id: 1})
    site.redis.set(Job.key_for("a-string"), "not a hash")
    site.redis.rpush(LEASES, "a-string", "no hash at all", "bad/id", b"\xff\xfe", "gone")
    site.redis.rpush(f"{LEASES}:intermediate", "no-data", "gone", b"\xff\xff", "bad-date")
    site.redis.zadd("rq:wip:leases", {"gone:1234": 1, "bad-date:5678": 1, "nonsense": 1})
    site.redis.zadd("rq:wip:leases", {b"\xfe\xff": 1})
    site.redis.zadd("rq:scheduled:leases", {"gone": 1})
    site.queues.add_lease(site.lease(1))

    worker = start_worker(site).ready()
    eventually(lambda: site.known(1), 60, "the good job behind them is done")
    places = (LEASES, f"{LEASES}:intermediate", "rq:wip:leases", "rq:scheduled:leases")
    eventually(lambda: not site.redis.exists(*places), 60, "nothing is left to go round")
    assert worker.lives
    for job_id in garbage:
        assert worker.log.count(f"job_id={job_id} ") <= 3, f"{job_id} went round"
        assert job_id in quarantined(site), f"{job_id} was not kept for people"
    assert worker.log.count("this loop failed") <= 2, worker.log


def test_a_job_that_was_taken_and_not_begun_is_done(site: Site, start_worker: StartWorker) -> None:
    site.queues.add_lease(site.lease(0))
    site.redis.lmove(LEASES, f"{LEASES}:intermediate")  # and there the worker died
    start_worker(site)
    eventually(lambda: site.known(0), WITHIN_S, "the lease is reported")


def test_jobs_that_runs_live_by_come_back(site: Site, start_worker: StartWorker) -> None:
    first = start_worker(site).ready()
    for number in (0, 1):
        site.queues.add_lease(site.lease(number))
        eventually(lambda n=number: site.known(n) and site.run(n).state is RunState.WAITING, 60, f"m{number} boots")  # type: ignore[misc]
    assert first.terminate()[0] == 0
    lease = site.lease(2)
    site.client.put(f"/runs/{lease.run_id}", lease, RunDecision)
    site.abort(1)
    expire = job_id_of(JobKind.EXPIRE, site.lease(0).run_id)
    for key in ("rq:queue:boots", "rq:queue:finishes", "rq:scheduled:deadlines", Job.key_for(expire)):
        assert site.redis.delete(key), key
    poisoned = Job.key_for(job_id_of(JobKind.BOOT, lease.run_id))
    site.redis.hset(poisoned, "number_of_retries", "many")

    start_worker(site).ready()
    eventually(lambda: site.run(1).closed_at, WITHIN_S, "finish is back")
    eventually(lambda: site.is_scheduled(JobKind.EXPIRE, expire), WITHIN_S, "expire is back")
    eventually(lambda: site.run(2).powered_on_at, WITHIN_S, "boot is back, though its hash was garbage")
