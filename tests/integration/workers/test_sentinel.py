"""Workers and the tailer with Redis Sentinel: they end when asked, and deliver a lease only to all replicas."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dhcp_tailer.checkpoint import read_checkpoint
from tests import preloaded
from tests.integration.workers.site import STOPS_WITHIN_S, WorkerProcess, eventually
from tests.sentinel_set import SentinelSet

LEASE = (
    '{"event_type": "lease_assigned", "timestamp": "2026-01-01T00:00:00Z", '
    '"data": {"ip": "10.0.0.1", "mac": "02:00:00:00:00:01", "hostname": "h"}}\n'
)
JOB = "rq:job:02-00-00-00-00-01-1767225600"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelSet]:
    """One set for the tests of this file; each leaves it whole."""
    with SentinelSet(tmp_path_factory.mktemp("sentinel"), use_tls=True) as made:
        yield made


def worker(servers: SentinelSet, folder: Path) -> WorkerProcess:
    return WorkerProcess(folder, servers.variables_of("worker"), "worker").ready()


def threads(servers: SentinelSet) -> int:
    return int(servers.admin(servers.master()).scard("rq:workers"))


def test_an_idle_worker_stops_in_time_and_leaves_no_name_behind(servers: SentinelSet, tmp_path: Path) -> None:
    idle = worker(servers, tmp_path)
    eventually(lambda: threads(servers) == 16, 60, "all threads are registered")
    status, seconds = idle.terminate()
    assert (status, seconds < STOPS_WITHIN_S) == (0, True), idle.log
    assert threads(servers) == 0


def test_an_idle_worker_stops_in_time_when_neither_a_sentinel_nor_the_master_answers(
    servers: SentinelSet, tmp_path: Path
) -> None:
    idle = worker(servers, tmp_path)
    eventually(lambda: threads(servers) == 16, 60, "all threads are registered")
    silent = [servers.master(), *servers.sentinels]
    for port in silent:
        servers.pause(port)
    try:
        eventually(lambda: "waiting for Redis" in idle.log, 60, "it notices")
        status, seconds = idle.terminate()
    finally:
        for port in silent:
            servers.resume(port)
    assert (status, seconds < STOPS_WITHIN_S) == (0, True), idle.log
    servers.await_replicas(2)


def test_the_tailer_keeps_its_checkpoint_until_a_replica_has_the_lease(servers: SentinelSet, tmp_path: Path) -> None:
    leases, state = tmp_path / "leases.jsonl", tmp_path / "state"
    leases.touch()
    tailer = _tailer(servers, tmp_path, leases, state)
    replicas = servers.replicas()
    try:
        eventually(lambda: list(state.glob("tail-*.json")), 60, "it follows the file")
        for port in replicas:
            servers.pause(port)
        with leases.open("a") as file:
            file.write(LEASE)
        # Why it waits depends on the load: the replicas are silent, or the reply to WAIT itself is late.
        eventually(lambda: "waiting for Redis (writes)" in (tmp_path / "tail.log").read_text(), 60, "it waits")
        assert _offset(state) == 0
        for port in replicas:
            servers.resume(port)
        eventually(lambda: _offset(state) == len(LEASE), 60, "the checkpoint moves on")
        assert any(servers.admin(port).exists(JOB) for port in replicas)
    finally:
        for port in replicas:
            servers.resume(port)
        tailer.send_signal(signal.SIGTERM)
        assert tailer.wait(180) == 0
    assert servers.admin(servers.master()).llen("rq:queue:leases") == 1
    servers.await_replicas(2)


def _tailer(servers: SentinelSet, folder: Path, leases: Path, state: Path) -> "subprocess.Popen[bytes]":
    state.mkdir()
    own = {"DHCP_SOURCE": "jsonl", "DHCP_PATH": str(leases), "STATE_DIR": str(state), "LEASE_MAX_AGE_H": "0"}
    env_file = folder / "tail.env"
    env_file.write_text("".join(f"{key}={value}\n" for key, value in (servers.variables_of("tailer") | own).items()))
    with (folder / "tail.log").open("ab") as log:
        environ = {"PATH": "/usr/bin:/bin", "BRINGUP_ENV_FILE": str(env_file)}
        return preloaded.start(["tail"], cwd=folder, env=environ, log=log.fileno())


def _offset(state: Path) -> int:
    (file,) = state.glob("tail-*.json")
    kept = read_checkpoint(file)
    assert kept is not None
    return kept.position.offset
