"""A site for worker processes: the real API in this process, BMCs that count, and a gate in front of both."""

import json
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from werkzeug.serving import make_server

from api.app import create_app
from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.connections.redis_client import connect_redis
from bringup.model import JobKind, LeaseAction, LeaseEvent
from bringup.queues import Queues
from bringup.settings import Settings
from bringup.wire.operator import AbortRequest
from bringup.wire.run import Run, RunDetail
from tests import applications, preloaded

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Any]
# Seconds in which a process has stopped, on a machine that stalls for some of them: without that it takes less than 10,
# of which jobs have 7 and loops 1 (tests/unit/workers/test_runner.py). What it must not wait for is held for longer.
STOPS_WITHIN_S = 60.0
_HELD_S = 300.0


def eventually(holds: Callable[[], object], within_s: float, what: str) -> None:
    """Wait until ``holds``; fail with ``what`` when it does not in time."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.05)


class Hold:
    """One call that is held at the gate, before or after it has its effect."""

    def __init__(self, when: str, words: tuple[str, ...]) -> None:
        self.when = when
        self.words = words
        self.reached = Event()
        self.released = Event()
        self.dropped = False

    def drop(self) -> None:
        """Let go: a call held before its effect has none."""
        self.dropped = True
        self.released.set()


class Gate:
    """Holds the first call that bears certain words."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._holds: list[Hold] = []

    def hold(self, when: str, *words: str) -> Hold:
        """Hold the first call whose method, path and body contain all ``words``."""
        held = Hold(when, words)
        with self._lock:
            self._holds.append(held)
        return held

    def open(self) -> None:
        """Let everything go."""
        for held in self._holds:
            held.released.set()

    def through(self, call: str, act: Callable[[], Any], dropped: Callable[[], Any]) -> Any:
        """Make the call, held where that is wanted."""
        held = self._take(call)
        if held is None:
            return act()
        if held.when == "before":
            self._wait(held)
            return dropped() if held.dropped else act()
        result = act()
        self._wait(held)
        return result

    def _take(self, call: str) -> Hold | None:
        with self._lock:
            for held in self._holds:
                if not held.reached.is_set() and all(word in call for word in held.words):
                    held.reached.set()
                    return held
        return None

    def _wait(self, held: Hold) -> None:
        assert held.released.wait(_HELD_S), "a held call was never let go"


class Machine:
    """The power of one machine, and how often it was switched."""

    def __init__(self) -> None:
        self.on = True
        self.on_count = 0
        self.off_count = 0
        self.media: str | None = None

    def act(self, method: str, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """One call of its BMC."""
        if what == "media" and method != "GET":
            self.media = body["run_id"] if method == "PUT" else None
        if (method, what) == ("PUT", "power") and (body["state"] == "On") != self.on:
            self.on = not self.on
            self.on_count += self.on
            self.off_count += not self.on
        return {"state": "On" if self.on else "Off", "run_id": self.media}


class _Bmcs(BaseHTTPRequestHandler):
    def __init__(self, site: "Site", *args: Any) -> None:
        self._site = site
        super().__init__(*args)

    def do_GET(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        _, name, what = self.path.split("/")
        machine = self._site.machines[name]
        call = f"BMC {self.command} {self.path} {body}"
        answer = self._site.gate.through(call, lambda: machine.act(self.command, what, body), dict)
        content = json.dumps(answer).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            self.close_connection = True  # the worker was killed

    def do_PUT(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


class _GatedServer(ThreadingHTTPServer):
    daemon_threads = True


class Site:
    """Everything that workers need but themselves."""

    def __init__(self, folder: Path, variables: dict[str, str], make: Callable[..., Settings], devices: int) -> None:
        self.gate = Gate()
        self.folder = folder
        self.names = [f"m{n}" for n in range(devices)]
        self.machines = {name: Machine() for name in self.names}
        self._bmcs = _GatedServer(("127.0.0.1", 0), partial(_Bmcs, self))
        (folder / "devices.toml").write_text("".join(map(self._entry, range(devices))))
        self._app = create_app(make(**variables))
        self._api = make_server("127.0.0.1", 0, self._gated(self._app), threaded=True)
        self.variables = variables | {"CALLBACK_API_PORT": str(self._api.server_port)}
        self.settings = make(**self.variables)
        self.client = ApiClient(self.settings, tls.ClientContexts())
        self.redis = connect_redis(self.settings, tls.ClientContexts(), name="tests")
        self.queues = Queues(self.redis)
        for server in (self._bmcs, self._api):
            Thread(target=server.serve_forever, daemon=True).start()

    def lease(self, number: int) -> LeaseEvent:
        """The lease of machine ``number``."""
        return LeaseEvent.model_validate(
            {
                "mac": self._mac(number),
                "ip": f"192.0.2.{number + 1}",
                "action": LeaseAction.ASSIGNED,
                "starts": "2026-01-01T00:00:00Z",
                "source": "tests",
            }
        )

    def run(self, number: int) -> RunDetail:
        """The run of machine ``number``."""
        return self.client.get(f"/runs/{self.lease(number).run_id}", RunDetail)

    def abort(self, number: int) -> None:
        """The operator ends it."""
        self.client.post(f"/runs/{self.lease(number).run_id}/abort", AbortRequest(), Run)

    def posted(self, number: int, what: str) -> int:
        """How often an event was applied to the run."""
        return sum(entry.type == what and entry.applied for entry in self.run(number).timeline)

    def known(self, number: int) -> bool:
        """Whether the API has the run."""
        return bool(self.redis.exists(f"bringup:run:{self.lease(number).run_id}"))

    def is_scheduled(self, kind: JobKind, job_id: str) -> bool:
        """Whether a delayed job waits."""
        return self.redis.zscore(self.queues.queue(kind).scheduled_job_registry.key, job_id) is not None

    def close(self) -> None:
        """End the servers."""
        self.gate.open()
        for server in (self._bmcs, self._api):
            server.shutdown()
            server.server_close()
        applications.close(self._app)

    def _gated(self, app: Wsgi) -> Wsgi:
        def gated(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = BytesIO(body)
            call = f"API {environ['REQUEST_METHOD']} {environ['PATH_INFO']} {body.decode()}"

            def dropped() -> list[bytes]:
                start_response("503 Dropped", [("Content-Length", "0")])
                return []

            return self.gate.through(call, lambda: app(environ, start_response), dropped)

        return gated

    def _mac(self, number: int) -> str:
        return f"02:00:00:00:00:{number:02x}"

    def _entry(self, number: int) -> str:
        port = self._bmcs.server_address[1]
        return (
            f'[[device]]\nname = "m{number}"\nbmc_mac = "{self._mac(number)}"\n'
            f'bmc = "simulated://127.0.0.1:{port}/m{number}"\n'
        )


def with_clock(offset: str) -> dict[str, str]:
    """The environment of a process on a host whose clock is wrong by ``offset``, such as ``+1h``.

    Only the time of day is wrong, as on such a host: not what measures how long something takes.
    """
    if not offset:
        return {}
    # Not the command `faketime`: it stays as the parent, and a kill would end that alone.
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    assert library, "libfaketime is not installed; run scripts/setup --dev"
    return {"LD_PRELOAD": str(library), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME": offset}


class WorkerProcess:
    """``bringup work`` in a process of its own.

    Args:
        clock: see `with_clock`.
    """

    def __init__(self, folder: Path, variables: dict[str, str], name: str, *, clock: str = "") -> None:
        self._log = folder / f"{name}.log"
        env_file = folder / f"{name}.env"
        env_file.touch(mode=0o600)
        env_file.write_text("".join(f"{key}={value}\n" for key, value in variables.items()))
        kept = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG", "PYTHONPATH"}}
        with self._log.open("ab") as log:
            self.process = preloaded.start(
                ["work"],
                cwd=Path.cwd(),
                env=kept | {"BRINGUP_ENV_FILE": str(env_file)} | with_clock(clock),
                log=log.fileno(),
            )

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self._log.read_text()

    @property
    def lives(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def ready(self) -> "WorkerProcess":
        """Wait until it works."""
        eventually(lambda: "working" in self.log or not self.lives, 60, "the worker starts")
        assert self.lives, self.log
        return self

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(180)

    def terminate(self) -> tuple[int, float]:
        """SIGTERM; returns the exit status and the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(2 * STOPS_WITHIN_S)
        return status, time.monotonic() - began
