"""Only what no worker can read is quarantined; it is listed, counted, and put back or discarded by a person."""

import json
import resource
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from bringup.errors import ApiRejected
from bringup.model import JobKind, RunState
from bringup.wire.operator import JobRequest, QuarantinedJob
from bringup_cli.root import cli
from tests.integration.workers.conftest import StartWorker
from tests.integration.workers.site import Site, WorkerProcess, eventually
from tests.integration.workers.test_dirty_redis import LEASES, WITHIN_S, data, put, quarantined

INDEX = "bringup:unreadable:index"
BOMB_BYTES = 600 * 1024**2


def bomb() -> bytes:
    """About 600 KB that unpack to 600 MB, and are JSON of a job when unpacked."""
    packer = zlib.compressobj(9)
    head, tail = b'["workers.jobs.discover", null, [], {"lease": "', b'"}]'
    blocks = [packer.compress(b" " * 1024**2) for _ in range(BOMB_BYTES // 1024**2)]
    return b"".join([packer.compress(head), *blocks, packer.compress(tail), packer.flush()])


def memory_peak(worker: WorkerProcess) -> int:
    """The most memory that a worker has ever had, in bytes."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


@contextmanager
def no_more_files(worker: WorkerProcess) -> Iterator[None]:
    """Every open() and socket() of the worker fails with EMFILE, also where one was closed meanwhile.

    The three standard files stay open, so no descriptor below the limit is free. With a limit of 0, poll() on a
    connection that still lives would fail with EINVAL.
    """
    pid = worker.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def command(site: Site, *arguments: str) -> str:
    """What a command of bringup prints for an operator."""
    env_file = site.folder / "operator.env"
    env_file.write_text("".join(f"{key}={value}\n" for key, value in site.variables.items()))
    done = CliRunner().invoke(cli, ["--env-file", str(env_file), *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_zlib_bomb_is_quarantined_and_takes_no_memory(site: Site, start_worker: StartWorker) -> None:
    content = bomb()
    assert len(content) < 1024**2
    put(site, "bomb", data=content)
    site.queues.add_lease(site.lease(0))
    worker = start_worker(site).ready()
    eventually(lambda: site.known(0), WITHIN_S, "the lease behind it is served")
    assert "larger than" in quarantined(site)["bomb"].reason
    assert memory_peak(worker) < 250 * 1024**2


def test_a_worker_short_of_file_descriptors_quarantines_no_lease(site: Site, start_worker: StartWorker) -> None:
    worker = start_worker(site).ready()
    eventually(lambda: len(site.redis.client_list()) > 10, 60, "its threads listen")
    with no_more_files(worker):
        site.redis.client_kill_filter(_type="normal", skipme=True)  # it must connect anew, and cannot
        for number in range(4):
            site.queues.add_lease(site.lease(number))
        eventually(lambda: "oo many open files" in worker.log, 60, "it logs what it is short of")
    for number in range(4):
        eventually(lambda n=number: site.known(n), 60, f"lease {number} is served")  # type: ignore[misc]
    assert quarantined(site) == {}
    assert "Traceback" not in worker.log, worker.log


@pytest.mark.parametrize("error", ["MemoryError()", "OSError(24, 'Too many open files')", "RuntimeError('a bug')"])
def test_what_goes_wrong_here_and_now_quarantines_no_lease(
    site: Site, start_worker: StartWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    """The first reading of a job fails, by a patch in the worker's own process; the next one works."""
    (tmp_path / "sitecustomize.py").write_text(
        "import rq.job\n"
        "class Fails(dict):\n"
        "    pass\n"
        "real, failures = rq.job.Job.refresh, iter([1])\n"
        f"def refresh(job):\n    for _ in failures:\n        raise {error}\n    return real(job)\n"
        "rq.job.Job.refresh = refresh\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    site.queues.add_lease(site.lease(0))
    worker = start_worker(site).ready()
    eventually(lambda: site.known(0), 60, "the lease is served")
    assert quarantined(site) == {}
    assert worker.lives


def test_a_job_in_quarantine_is_listed_counted_and_requeued(site: Site, start_worker: StartWorker) -> None:
    lease = site.lease(0).model_dump(mode="json", exclude_none=True)
    put(site, "too-new", data=data("workers.jobs.of_the_next_version", None, [], {"lease": lease}))
    worker = start_worker(site).ready()
    eventually(lambda: "too-new" in quarantined(site), WITHIN_S, "it is put in quarantine")
    assert "of_the_next_version" in command(site, "queues")
    shown = json.loads(command(site, "queues", "--output", "json"))
    assert [job["job_id"] for job in shown["quarantine"]] == ["too-new"]
    assert {queue["name"]: queue["quarantined"] for queue in shown["queues"]}["leases"] == 1
    assert b'bringup_jobs{queue="leases",state="quarantined"} 1.0' in site.client.get_text("/metrics")

    worker.kill()
    assert "is on the queue leases again" in command(site, "queues", "requeue", "too-new")
    assert quarantined(site) == {}
    assert site.redis.lrange(LEASES, 0, -1) == [b"too-new"]
    # What an upgrade of the worker would do, the other way round.
    site.redis.hset("rq:job:too-new", "data", data("workers.jobs.discover", None, [], {"lease": lease}))
    start_worker(site)
    eventually(lambda: site.known(0) and site.run(0).state is not RunState.QUEUED, 60, "the lease is served")


def test_a_job_in_quarantine_is_discarded_for_good(site: Site, start_worker: StartWorker) -> None:
    put(site, "garbage", data=b"{}")
    start_worker(site)
    eventually(lambda: "garbage" in quarantined(site), WITHIN_S, "it is put in quarantine")
    assert "is deleted" in command(site, "queues", "discard", "garbage")
    assert quarantined(site) == {}
    assert not [key for key in site.redis.scan_iter() if b"garbage" in key]
    for path in ("/queues/discard", "/queues/requeue"):
        with pytest.raises(ApiRejected, match="no job 'garbage' is in quarantine"):
            site.client.post(path, JobRequest(job_id="garbage"), QuarantinedJob)


def test_what_was_enqueued_anew_is_not_overwritten_by_the_quarantine(site: Site, start_worker: StartWorker) -> None:
    lease = site.lease(0)
    put(site, lease.run_id, data=b"{}")
    worker = start_worker(site)
    eventually(lambda: lease.run_id in quarantined(site), WITHIN_S, "it is put in quarantine")
    worker.kill()
    assert site.queues.add_lease(lease), "the lease may come again"
    with pytest.raises(ApiRejected, match="enqueued anew"):
        site.client.post("/queues/requeue", JobRequest(job_id=lease.run_id), QuarantinedJob)
    assert site.queues.queue(JobKind.DISCOVER).get_job_ids() == [lease.run_id]


def test_a_job_whose_entry_cannot_be_read_is_put_on_no_queue_and_stays(site: Site, start_worker: StartWorker) -> None:
    put(site, "garbage", data=b"{}")
    worker = start_worker(site)
    eventually(lambda: "garbage" in quarantined(site), WITHIN_S, "it is put in quarantine")
    worker.kill()
    site.redis.hset(INDEX, "garbage", "no entry")
    with pytest.raises(ApiRejected, match="its queue is not known"):
        site.client.post("/queues/requeue", JobRequest(job_id="garbage"), QuarantinedJob)
    assert site.redis.hexists(INDEX, "garbage")
    queues = set(site.redis.scan_iter("rq:queue:*"))
    assert not [
        key for key in queues if site.redis.type(key) == b"list" and site.redis.lpos(key, "garbage") is not None
    ]
    assert "is deleted" in command(site, "queues", "discard", "garbage")
