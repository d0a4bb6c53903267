"""A live stack, the ways to do something to it, and what the self-test reports then."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import pytest

from bringup import tls
from bringup.connections.redis_client import connect_redis
from bringup.model import utc_now
from bringup.wire.machine import AREA_HEAD, AREA_SIZE
from pki.check import Finding, Status
from pki.store import Store
from selftest import runner
from selftest.case import Case, CaseResult
from selftest.checks import CATALOG
from selftest.probe import Endpoint, Reached, insecure_context
from selftest.target_installation import TargetInstallation
from tests import preloaded
from tests.administrator import ADMINISTRATOR, add_administrator
from tests.conftest import free_port
from tests.in_process import QuickStack, command

VARIABLES = {"ENVIRONMENT": "development", "API_WORKERS": "1", "WORKER_CONCURRENCY": "4"}
FLAGS = ("REDIS_USE_TLS", "API_USE_TLS", "API_REQUIRE_CLIENT_CERT")
Changes = Mapping[str, object]


@dataclass(frozen=True)
class Found:
    """What the self-test found."""

    outcomes: list[CaseResult]
    seconds: float

    @property
    def failing(self) -> set[str]:
        """The checks that failed and that no other one explains."""
        return {one.case.id for one in self.outcomes if one.is_root}

    @property
    def consequences(self) -> dict[str, str]:
        """Checks that failed or did not run, each with the one that shows why."""
        return {one.case.id: one.because for one in self.outcomes if one.because}

    def with_status(self, status: Status) -> set[str]:
        return {one.case.id for one in self.outcomes if one.finding.status is status}

    def __getitem__(self, check: str) -> Finding:
        return next(one.finding for one in self.outcomes if one.case.id == check)

    def text(self, check: str) -> str:
        """All that the report has about one check."""
        found = self[check]
        return f"{found.message} | {found.expected} | {found.cause} | {found.hint}"


class Site:
    """redis-server and the API, running; a keeper who may do anything in Redis; a worker who was revoked."""

    def __init__(self, folder: Path, *, use_tls: bool) -> None:
        self.folder = folder
        (folder / "devices.toml").touch()
        self.stack = QuickStack(folder, VARIABLES | dict.fromkeys(FLAGS, str(use_tls).lower()))
        self.old_crl = folder / "old-crl.pem"
        if use_tls:
            self._revoke_a_worker()
        self._start_redis()
        self.stack.start("api")
        self.settings = self.stack.settings_of("worker")
        self.keeper = connect_redis(self.stack.settings_of(ADMINISTRATOR), tls.ClientContexts(), name="keeper")

    def start_chain(self) -> None:
        """A worker and a tailer, which the API sees; some tests need Redis and the API alone."""
        (self.folder / "dnsmasq.log").touch()
        for service in ("work", "tail"):
            self.stack.start(service)
        self.await_chain()

    def await_chain(self) -> None:
        """Until the API sees them."""
        deadline = time.monotonic() + 240
        chain = [case for case in CATALOG if case.id.startswith("chain.")]
        good = {Status.OK, Status.INFO}
        while {one.finding.status for one in self.tested(cases=chain).outcomes} - good:
            assert time.monotonic() < deadline, (self.stack.log_of("work"), self.stack.log_of("tail"))
            time.sleep(0.2)

    @property
    def store(self) -> Store:
        return Store(self.settings.pki_dir)

    def tested(
        self,
        changes: Changes = MappingProxyType({}),
        now: Callable[[], datetime] = utc_now,
        cases: Sequence[Case] = CATALOG,
        *,
        in_a_hurry: bool = False,
    ) -> Found:
        """The results of the self-test, with these settings and this clock on its side.

        Args:
            in_a_hurry: it waits no longer than it does by default; otherwise for as long as a machine may stall.
        """
        settings = self.settings.model_copy(update=dict(changes))
        usual = (TargetInstallation.timeout_s, runner.LONGEST_S)
        timeout_s, longest_s = usual if in_a_hurry else (20.0, 300.0)
        target = TargetInstallation(settings, timeout_s, now=now, origins={"API_TOKEN": str(self.folder / ".env")})
        started = time.monotonic()
        try:
            with chdir(self.folder), pytest.MonkeyPatch.context() as patch:  # files are named as they lie there
                patch.setattr(runner, "LONGEST_S", longest_s)
                outcomes = runner.run(target, cases)
        finally:
            target.close()
        return Found(outcomes, time.monotonic() - started)

    def selftest(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """The command itself."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runner, "LONGEST_S", 300.0)
            return command(["selftest", *arguments], self.stack.environment("worker") | environ, self.folder)

    @contextmanager
    def redis_set(self, **config: str) -> Iterator[None]:
        """CONFIG SET, and back again."""
        names = [name.replace("_", "-") for name in config]
        before = {name: str(self.keeper.config_get(name)[name]) for name in names}
        self._config_set(dict(zip(names, config.values(), strict=True)))
        try:
            yield
        finally:
            self._config_set(before)

    def reload_redis(self) -> None:
        """Let Redis read its files again: all three in one command."""
        root = self.store.root
        pairs = {"cert": root / "redis/redis-cert.pem", "key": root / "redis/redis-key.pem"}
        pairs["ca-cert"] = self.store.ca_certificate
        self._config_set({f"tls-{name}-file": str(path) for name, path in pairs.items()})

    @contextmanager
    def redis_with(self, files: Mapping[str, bytes]) -> Iterator[None]:
        """Redis runs with other files in PKI_DIR."""
        with ExitStack() as after:
            after.callback(self.reload_redis)
            after.enter_context(self.files(files))
            self.reload_redis()
            yield
            # The files are restored first, then they are loaded.

    @contextmanager
    def files(self, files: Mapping[str, bytes]) -> Iterator[None]:
        """Other files in PKI_DIR, and then those that were there."""
        before = {name: (self.store.root / name).read_bytes() for name in files}
        try:
            self._write(files)
            yield
        finally:
            self._write(before)
            TargetInstallation(self.settings).api.endpoint.handshake(
                insecure_context()
            )  # so that the API takes them, too

    @contextmanager
    def api(self, **variables: str) -> Iterator[dict[str, object]]:
        """A second API with other settings; yields what leads to it."""
        with self._server("api", "CALLBACK_API_PORT", variables) as port:
            yield {"callback_api_port": port}

    @contextmanager
    def images(self, **variables: str) -> Iterator[dict[str, object]]:
        """``bringup images``; yields what leads to it."""
        image = self.folder / "base.iso"
        image.write_bytes(bytes(32_768) + AREA_HEAD.ljust(AREA_SIZE))
        certificates = {"RUN_CERTIFICATE_COMMAND": "make-one {name}"}
        given = {"VALIDATION_IMAGE": str(image), **certificates, **variables}
        with self._server("images", "IMAGE_PORT", given) as port:
            yield {"image_port": port}

    @contextmanager
    def _server(self, service: str, port_variable: str, variables: Mapping[str, str]) -> Iterator[int]:
        port = free_port()
        environ = self.stack.environment("api") | {port_variable: str(port), **variables}
        with (self.folder / f"second-{service}.log").open("ab") as log:
            process = preloaded.start([service], cwd=self.folder, env=environ, log=log.fileno(), start_new_session=True)
        try:
            _await(port, process)
            yield port
        finally:
            preloaded.kill_group(process)

    @contextmanager
    def without_redis(self) -> Iterator[None]:
        """Redis is gone for a while."""
        self.stack.stop("redis")
        try:
            yield
        finally:
            self.stack.run_redis()

    def restart_redis(self) -> None:
        """Redis reads its files again."""
        self.stack.stop("redis")
        self.stack.run_redis()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Redis and the API accept connections, and do not answer."""
        groups = [self.stack.pid("redis"), self.stack.pid("api")]  # each leads a session of its own
        for group in groups:
            os.killpg(group, signal.SIGSTOP)
        try:
            yield
        finally:
            for group in groups:
                os.killpg(group, signal.SIGCONT)

    def _config_set(self, config: Mapping[str, str]) -> None:
        """All in one command, which is how certificates must be replaced."""
        flat = [text for pair in config.items() for text in pair]
        self.keeper.config_set(*flat[:2], *flat[2:])

    def _write(self, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            path = self.store.root / name
            fresh = path.with_suffix(".new")
            fresh.touch(mode=0o600 if "key" in name else 0o644)
            fresh.write_bytes(data)
            fresh.replace(path)

    def _revoke_a_worker(self) -> None:
        self.stack.command("pki", "issue", "worker", "--name", "gone")
        self.old_crl.write_bytes(Store(self.stack.settings.pki_dir).ca_crl.read_bytes())
        self.stack.command("pki", "revoke", "gone")

    def _start_redis(self) -> None:
        self.stack.command("redis-conf")
        add_administrator(self.stack)
        self.stack.run_redis()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until it answers, in whatever language."""
    endpoint = Endpoint("the server", "127.0.0.1", port, 1)
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        hello = endpoint.plain(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        if hello.accepted or endpoint.handshake(insecure_context()).reached is Reached.TLS:
            return
        time.sleep(0.05)
    raise AssertionError("the server did not start")
