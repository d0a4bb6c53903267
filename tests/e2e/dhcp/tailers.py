"""A real ``bringup tail`` for each source, each with a queue of its own."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from bringup.connections.redis_client import connect_redis
from bringup.model import JobKind
from bringup.queues import Queues
from bringup.settings import Settings
from bringup.tls import ClientContexts
from tests.conftest import PASSWORD, MakeSettings, RedisServer
from tests.e2e.dhcp.lab import until


class Tailer:
    """One source, followed by a process of its own."""

    def __init__(
        self, source: str, path: Path, folder: Path, *, redis: RedisServer, database: int, make: MakeSettings
    ) -> None:
        self.source = source
        self.path = path
        self._folder = folder / f"tail-{source}"
        self._folder.mkdir()
        self._settings: Settings = make(redis_port=redis.port, redis_db=database)
        self._environ = {
            "REDIS_PORT": str(redis.port),
            "REDIS_PASSWORD": PASSWORD,
            "REDIS_DB": str(database),
            "DHCP_SOURCE": source,
            "DHCP_PATH": str(path),
            "STATE_DIR": str(self._folder / "state"),
            "PATH": os.environ["PATH"],
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bringup", "tail"], cwd=self._folder, env=self._environ, stderr=log, stdout=log
            )

    def wait_until_it_follows(self) -> None:
        """A file that is rewritten in place keeps no history: who comes late misses what was there."""
        assert self._process
        holder = f"process {self._process.pid}\n"
        locks = self._folder / "state"
        until(lambda: any(lock.read_text() == holder for lock in locks.glob("*.lock")), f"the start of {self.source}")

    def kill(self) -> None:
        """SIGKILL: nothing is written any more."""
        if self._process:
            self._process.kill()
            self._process.wait(10)

    def end(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)

    def leases(self) -> Counter[tuple[str, str]]:
        """MAC and address of every job on the queue."""
        return Counter((lease["mac"], lease["ip"]) for lease in self._queued())

    def vendor_classes(self) -> set[str | None]:
        """Of all jobs whose client was udhcpc: perfdhcp has none."""
        return {lease.get("vendor_class") for lease in self._queued() if lease["mac"].startswith("02:00:")}

    def _queued(self) -> list[dict[str, str]]:
        connection = connect_redis(self._settings, ClientContexts(), name="test")
        try:
            return [job.kwargs["lease"] for job in Queues(connection).queue(JobKind.DISCOVER).jobs]
        finally:
            connection.close()

    def counts(self) -> dict[str, int]:
        """As ``bringup tail --status`` tells them."""
        command = [sys.executable, "-m", "bringup", "tail", "--status", "--output", "json"]
        done = subprocess.run(command, cwd=self._folder, env=self._environ, capture_output=True, check=True)
        counts: dict[str, int] = json.loads(done.stdout)["counts"]
        return counts

    def said(self) -> str:
        return (self._folder / "log").read_text()
