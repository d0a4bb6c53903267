"""The whole stack on the Redis that ``bringup redis-conf`` configures: what is done to it, and what is logged."""

import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from bringup import tls
from bringup.connections.redis_client import connect_redis
from bringup.errors import ApiUnavailable
from bringup.model import RunState
from bringup.wire.run import Run, RunList
from tests.administrator import ADMINISTRATOR, add_administrator
from tests.conftest import IGNORING_XFSZ, free_port, full_disk
from tests.in_process import QuickStack
from tests.integration.workers.site import eventually

MACHINES = 12
SERVICES = ("api", "work", "tail")
_FLAGS = ("REDIS_USE_TLS", "API_USE_TLS", "API_REQUIRE_CLIENT_CERT")
# Redis makes a client wait for its data at start, so that LOADING lasts: microseconds for each key.
_SLOW_LOADING = "key-load-delay 50\n"


class Site:
    """redis-server, API, worker, tailer and simulated machines, each a process; a keeper who may do all in Redis."""

    def __init__(self, folder: Path, *, use_tls: bool) -> None:
        self.folder = folder
        self.use_tls = use_tls
        self._leases = 0
        (folder / "devices.toml").write_text(_inventory(free_port()))
        (folder / "leases.jsonl").touch()
        source = {"DHCP_SOURCE": "jsonl", "DHCP_PATH": str(folder / "leases.jsonl"), "API_WORKERS": "1"}
        source |= {"LEASE_MAX_AGE_H": "0"}  # the leases have a date
        quick = {"RETRY_MIN_S": "1", "RETRY_MAX_S": "2"}
        self.stack = QuickStack(folder, source | quick | dict.fromkeys(_FLAGS, str(use_tls).lower()))
        self.stack.command("redis-conf")
        add_administrator(self.stack)
        self.stack.run_redis()
        self.keeper = connect_redis(self.stack.settings_of(ADMINISTRATOR), tls.ClientContexts(), name="keeper")
        self.stack.start("api")
        self.stack.start("simulate", "--boot-seconds", "0.2", "--check-seconds", "0.2")
        self.stack.start("work")
        self.stack.start("tail")

    def lease(self) -> str:
        """The DHCP server writes a lease for the next machine; the id of the run that must come of it."""
        self._leases += 1
        mac = _mac(self._leases)
        data = {"ip": f"10.0.0.{self._leases}", "mac": mac}
        line = {"event_type": "assigned", "timestamp": "2026-11-23T10:00:00Z", "data": data}
        with (self.folder / "leases.jsonl").open("a") as leases:
            leases.write(json.dumps(line) + "\n")
        return f"{mac.replace(':', '-')}-1795428000"

    def run(self, run_id: str) -> Run | None:
        """The run, if the API knows it and can say so now."""
        try:
            runs = self.stack.api.get("/runs", RunList).runs
        except ApiUnavailable:
            return None
        return next((run for run in runs if run.run_id == run_id), None)

    def await_pass(self, run_id: str) -> None:
        """The run passes, its clean-up included."""
        closed: list[Run] = []

        def is_closed() -> bool:
            closed.extend(run for run in [self.run(run_id)] if run and run.closed_at)
            return bool(closed)

        eventually(is_closed, 90, f"{run_id} is closed\n{self._tails()}")
        assert closed[0].state is RunState.PASSED, closed[0]

    def ready(self) -> requests.Response:
        """What the API says to whoever asks whether it is ready; anyone may ask, if it shows a certificate."""
        return self.call("GET", "/ready")

    def put_run(self) -> requests.Response:
        """What the API says to a worker that posts a lease; only to be called while it must refuse."""
        lease = {"mac": _mac(MACHINES), "ip": "10.0.1.1", "action": "assigned", "starts": "2026-11-23T11:00:00Z"}
        run_id = f"{_mac(MACHINES).replace(':', '-')}-1795431600"
        return self.call("PUT", f"/runs/{run_id}", json=lease | {"source": "test"})

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """One call of the API as staff, its answer as it comes."""
        pki = self.stack.settings.pki_dir
        files = pki / "workers"
        token = self.stack.settings.api_token
        assert token
        return requests.request(
            method,
            f"{self.stack.settings.api_url}/api/v1{path}",
            headers={"Authorization": f"Bearer {token.get_secret_value()}"},
            cert=(str(files / "worker-cert.pem"), str(files / "worker-key.pem")) if self.use_tls else None,
            verify=str(pki / "ca/ca-cert.pem") if self.use_tls else None,
            timeout=180,
            **kwargs,
        )

    def assert_all_live(self) -> None:
        """No service has ended."""
        for name in SERVICES:
            os.kill(self.stack.pid(name), 0)
            state = Path(f"/proc/{self.stack.pid(name)}/stat").read_text().rpartition(")")[2].split()[0]
            assert state != "Z", f"{name} has ended:\n{self.stack.log_of(name)[-2000:]}"

    def log(self) -> "Log":
        """What is logged from now on; the outage of the test before is over first."""
        for name in SERVICES:
            eventually(lambda name=name: not self._waits(name), 60, f"{name} waits for nothing")  # type: ignore[misc]
        return Log(self)

    def _waits(self, service: str) -> bool:
        if service == "api":
            self.ready()  # it learns from requests alone that an outage is over
        text = self.stack.log_of(service)
        return text.count("waiting for ") != text.count(" is back; working again")

    @contextmanager
    def full_memory(self) -> Iterator[None]:
        """maxmemory is reached, and nothing may be evicted."""
        self.keeper.config_set("maxmemory", "1")
        try:
            yield
        finally:
            self.keeper.config_set("maxmemory", "0")

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Nothing can be appended to the append-only file."""
        with full_disk(self.stack.pid("redis")):
            yield

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """redis-server keeps its connections and does nothing."""
        pid = self.stack.pid("redis")
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def slow_loading(self) -> None:
        """From the next start on, loading takes some seconds."""
        fill: Any = self.keeper.pipeline(transaction=False)
        for number in range(80_000):
            fill.set(f"filling:{number}", "")
        fill.execute()
        with (self.folder / "redis/redis.conf").open("a") as conf:
            conf.write(_SLOW_LOADING)

    def restart_redis(self) -> None:
        """Killed and started again; does not wait until it has loaded its data."""
        self.stack.stop("redis", signal.SIGKILL)
        self.start_redis()

    def start_redis(self) -> None:
        """Start it and do not wait."""
        self.stack._spawn("redis", ["redis-server", "redis/redis.conf"])

    def _tails(self) -> str:
        return "\n".join(f"== {name}\n{self.stack.log_of(name)[-2000:]}" for name in SERVICES)


class Log:
    """What the services have logged since it was made."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stack = stack = site.stack
        self._from = {name: len(stack.log_of(name)) for name in SERVICES}

    def of(self, service: str) -> str:
        """The new lines of one service, without those of single requests."""
        text = self._stack.log_of(service)[self._from[service] :]
        return "".join(line for line in text.splitlines(keepends=True) if "[api.access]" not in line)

    def await_line(self, service: str, words: str, within_s: float = 60) -> None:
        """Until ``service`` logs ``words``."""
        eventually(lambda: words in self.of(service), within_s, f"{service} logs {words!r}:\n{self.of(service)}")

    def assert_one_outage(self, what: str, services: tuple[str, ...] = SERVICES) -> None:
        """Each service has logged its beginning once and its end once, and no traceback."""
        for service in services:
            self._await_end(service, what)
            text = self.of(service)
            assert text.count(f"waiting for {what};") == 1, text
            assert text.count(f"{what} is back") == 1, text
        self.assert_clean()

    def _await_end(self, service: str, what: str) -> None:
        def is_over() -> bool:
            self._site.ready()  # the API learns from requests alone that an outage is over
            return f"{what} is back" in self.of(service)

        try:
            eventually(is_over, 60, "the end of the outage is logged")
        except AssertionError as error:
            raise AssertionError(f"{service}:\n{self.of(service)}") from error

    def assert_clean(self) -> None:
        """No traceback, no answer 500, and little text."""
        for service in SERVICES:
            text = self.of(service)
            assert "Traceback" not in text, text
            assert "unhandled error" not in text, text
            assert len(text) < 20_000, f"{service} has logged {len(text)} bytes"
        everything = self._stack.log_of("api")[self._from["api"] :]
        assert not re.search(r" (GET|PUT|POST|PATCH) \S+ 500 ", everything), everything


def redis_server_that_survives_xfsz(folder: Path) -> None:
    """A ``redis-server`` in ``folder`` whose writes fail beyond RLIMIT_FSIZE, as on a full disk."""
    folder.mkdir()
    wrapper = folder / "redis-server"
    wrapper.write_text(f'#!/bin/sh\nset -- /usr/bin/redis-server "$@"\nexec sh -c \'{_QUOTED}\' "$@"\n')
    wrapper.chmod(0o755)


_QUOTED = IGNORING_XFSZ.replace("'", "'\\''")


@contextmanager
def repeated(what: Callable[[], object]) -> Iterator[None]:
    """``what`` is done again and again meanwhile."""
    over = threading.Event()

    def repeat() -> None:
        while not over.is_set():
            what()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(60)


def _mac(number: int) -> str:
    return f"02:5b:00:00:00:{number:02x}"


def _inventory(bmc_port: int) -> str:
    return "".join(
        f'[[device]]\nname = "sim-{n:03}"\nbmc_mac = "{_mac(n)}"\nnic_macs = ["02:5c:00:00:00:{n:02x}"]\n'
        f'bmc = "simulated://127.0.0.1:{bmc_port}/sim-{n:03}"\nexpected = {{ memory_gib = 64 }}\n'
        for n in range(1, MACHINES + 1)
    )
