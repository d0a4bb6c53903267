"""sushy-tools' Redfish emulator as one HTTPS process, with what a test wants to go wrong in front of it.

The emulator itself knows no sessions and always shows "Continuous" for the boot override: both are done here, as
the schema has them. Everything else that is answered without a fault is the emulator's own.

Run by the tests: ``python -m tests.integration.redfish.emulator FOLDER PORT CERTIFICATE KEY SYSTEMS``.
"""

import base64
import json
import os
import secrets
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from threading import Event, Lock, Thread
from types import SimpleNamespace
from typing import Any

import bcrypt
from sushy_tools.emulator import main as emulator  # type: ignore[import-untyped]
from sushy_tools.emulator.resources.systems import fakedriver  # type: ignore[import-untyped]
from werkzeug import Request, Response
from werkzeug.serving import run_simple

from tests.integration.redfish.recorder import Write, record

UUID = "27946b59-9e44-4fa7-8e91-f3527a1ef094"
USER, PASSWORD = "root", "calvin-of-the-tests"
SYSTEMS = "/redfish/v1/Systems/"
SYSTEM = f"{SYSTEMS}{UUID}"
SESSIONS = "/redfish/v1/SessionService/Sessions"
WRITES = "writes.jsonl"
_WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def uuid_of(number: int) -> str:
    """The system of this number; 0 is `UUID`."""
    return f"{int(UUID[:8], 16) + number:08x}{UUID[8:]}"


class Front:
    """Sessions, the boot overrides, and faults, before the real emulator.

    A fault that is switched on with True is one of every system; with a list, of the requests to a path that
    contains one of its words, a system's UUID as a rule.
    """

    def __init__(self, app: _WSGI, writes: Path) -> None:
        self._app = app
        self._writes = writes  # where every write is put on record, before anything is made of it
        self._locks: dict[str, Lock] = defaultdict(Lock)  # the emulator reads a system, changes it, writes it back
        self.faults: dict[str, Any] = {}
        self._changed = Event()  # the faults are others: what was slow until now has its answer
        self.sessions: dict[str, str] = {}  # id -> token
        self.logins = 0
        self.log: list[str] = []
        self.overrides: dict[str, dict[str, Any]] = {}
        self.http_boot_uri: str | None = None
        self._reset()

    @property
    def override(self) -> dict[str, Any]:
        """The boot override of the first system."""
        return self.overrides[UUID]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        self._record(request)
        late_s = self.faults.get("slow_s", 60) if self._has("slow", request) else 0
        changed = self._changed
        answer = self._own(request) or self._faulty(request) or self._redfish(request)
        if late_s:
            changed.wait(late_s)  # what was asked is done; only its answer comes too late
        return answer(environ, start_response)

    def _record(self, request: Request) -> None:
        is_ours = request.path.startswith(("/test", SESSIONS))
        if request.method not in {"GET", "HEAD"} and not is_ours:
            agent = request.headers.get("User-Agent", "")
            record(self._writes, Write(time.time(), request.method, request.path, agent.partition("/")[0]))

    def _own(self, request: Request) -> Response | None:
        """What the tests ask, and the image that BMCs fetch."""
        if request.path == "/test":
            if request.method == "PUT":
                self.faults = request.get_json()
                self._changed.set()
                self._changed = Event()
                self.log.clear()
            if self.faults.pop("reset", False):
                self._reset()
            names = ("log", "logins", "override", "http_boot_uri")
            return _json({name: getattr(self, name) for name in names} | {"sessions": len(self.sessions)})
        if request.path == "/systems":
            return _json({uuid: self._state(uuid) for uuid in self.overrides})
        return Response(b"an image") if request.path.startswith("/images/") else None

    def _state(self, uuid: str) -> dict[str, Any]:
        """What a person in front of the machine would see; ``disc``: the file that was fetched for it."""
        with self._locks[uuid]:
            return {
                "power": emulator.app.systems.get_power_state(uuid),
                "inserted": emulator.app.vmedia.get_device_image_info(uuid, "Cd").inserted,
                "disc": emulator.app.systems.get_boot_image(uuid, "Cd")[0],
                "override": self.overrides[uuid],
            }

    def _reset(self) -> None:
        """As it is fresh: empty, off, no override, no session."""
        self.http_boot_uri = None
        self.sessions.clear()
        for uuid in emulator.app.systems.systems:
            self.overrides[uuid] = {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None"}
            emulator.app.vmedia.eject_image(uuid, "Cd")
            emulator.app.systems._update(uuid, power_state="Off", pending_power=None)

    def _has(self, fault: str, request: Request) -> bool:
        wanted = self.faults.get(fault, False)
        return wanted if isinstance(wanted, bool) else any(word in request.path for word in wanted)

    def _faulty(self, request: Request) -> Response | None:
        self.log.append(f"{request.method} {request.path}")
        for fault in self.faults.get("answers", []):
            fits = request.method == fault["method"] and request.path.endswith(fault["path"])
            if fits and fault.get("times", 1) > 0:
                fault["times"] = fault.get("times", 1) - 1
                headers = {"Location": fault["location"]} if "location" in fault else {}
                if "page" in fault:
                    return Response(fault["page"], fault["status"], content_type="text/html")
                return _json(_error(fault.get("id", "GeneralError")), fault["status"], headers)
        return None

    def _redfish(self, request: Request) -> Response:
        if request.path.startswith(SESSIONS):
            return self._session(request)
        if request.path in {"/redfish/v1", "/redfish/v1/"}:
            return self._root(request)
        token = request.headers.get("X-Auth-Token")
        if token and token not in self.sessions.values():
            return _json(_error("NoValidSession"), 401)
        uuid = request.path.removeprefix(SYSTEMS)
        if uuid in self.overrides:
            return self._system(uuid, request, token)
        return self._real(request, token)

    def _session(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.sessions.pop(request.path.rpartition("/")[2], None)
            return Response(status=204)
        self.logins += 1
        wanted = request.get_json()
        if (wanted["UserName"], wanted["Password"]) != (USER, PASSWORD):
            return _json(_error("ResourceAtUriUnauthorized"), 401)
        name, token = secrets.token_hex(4), secrets.token_hex(16)
        self.sessions[name] = token
        where = f"https://another.invalid{SESSIONS}/{name}"  # some BMCs name a host of their own
        return _json({"@odata.id": f"{SESSIONS}/{name}"}, 201, {"X-Auth-Token": token, "Location": where})

    def _root(self, request: Request) -> Response:
        body = json.loads(self._real(request, None).get_data())
        if not self.faults.get("no_sessions"):
            body["Links"] = {"Sessions": {"@odata.id": SESSIONS}}
        return _json(body)

    def _system(self, uuid: str, request: Request, token: str | None) -> Response:
        if request.method == "PATCH":
            return self._patch_boot(uuid, request, token)
        answer = self._real(request, token)
        if answer.status_code != 200:
            return answer
        body = json.loads(answer.get_data())
        body["Boot"] |= self.overrides[uuid]
        if self.faults.get("media_under_manager"):
            body.pop("VirtualMedia", None)
        return _json(body)

    def _patch_boot(self, uuid: str, request: Request, token: str | None) -> Response:
        wanted = dict(request.get_json()["Boot"])
        if self.faults.get("forgets_override", 0) > 0:
            self.faults["forgets_override"] -= 1
            return Response(status=204)
        self.http_boot_uri = wanted.pop("HttpBootUri", None)
        self.overrides[uuid] |= wanted
        if "BootSourceOverrideTarget" not in wanted or self.http_boot_uri:
            return Response(status=204)  # the fake driver has no place for an address
        return self._real(request, token)

    def _real(self, request: Request, token: str | None) -> Response:
        """The emulator's own answer; it knows Basic authentication, so a good session becomes that."""
        if request.path.endswith("VirtualMedia.EjectMedia") and self._has("stuck", request):
            return Response(status=204)
        if request.path.endswith("VirtualMedia.InsertMedia"):
            if self._has("fetches_nothing", request):
                return Response(status=204)
            if self._has("fetches_later", request):
                return self._take_address(request)
        fakedriver.random = SimpleNamespace(randint=lambda _low, _high: self.faults.get("power_lag_s", 0))
        environ = dict(request.environ) | {"wsgi.input": BytesIO(request.get_data())}
        if token:
            basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            environ["HTTP_AUTHORIZATION"] = f"Basic {basic}"
        with self._locks[_system_in(request.path)]:
            return Response.from_app(self._app, environ, buffered=True)

    def _take_address(self, request: Request) -> Response:
        """As BMCs do that show the medium at once, and read it when a machine does: if ever."""
        uuid, vmedia = _system_in(request.path), emulator.app.vmedia
        shown = {"Image": request.get_json()["Image"], "Inserted": True}
        with self._locks[uuid]:
            vmedia._devices[(uuid, "Cd")] = vmedia._get_device(uuid, "Cd") | shown
        return Response(status=204)


def _system_in(path: str) -> str:
    return path.removeprefix(SYSTEMS).partition("/")[0]


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(body), status, headers, content_type="application/json")


def _error(message_id: str) -> dict[str, Any]:
    """Source: DSP0266 s.8.6 (error responses)."""
    full = f"Base.1.8.{message_id}"
    info = [{"MessageId": full, "Message": f"This BMC says {message_id}", "Severity": "Critical"}]
    return {"error": {"code": full, "message": f"This BMC says {message_id}", "@Message.ExtendedInfo": info}}


def serve(folder: Path, port: int, certificate: str, key: str, systems: int) -> None:
    """Serve until killed, or until the process that started it has gone."""
    users = folder / "users"
    users.write_text(f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n")
    extra = {
        "SUSHY_EMULATOR_FAKE_DRIVER": True,
        "SUSHY_EMULATOR_STATE_DIR": str(folder),
        "SUSHY_EMULATOR_AUTH_FILE": str(users),
        "SUSHY_EMULATOR_FAKE_SYSTEMS": [
            {"uuid": uuid_of(number), "name": f"fake-{number}", "power_state": "Off", "nics": []}
            for number in range(systems)
        ],
    }
    emulator.app.configure(extra_config=extra)
    run_simple("127.0.0.1", port, Front(emulator.app, folder / WRITES), threaded=True, ssl_context=(certificate, key))


def end_with(parent: int) -> None:
    """A test run that was killed must not leave us behind."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


if __name__ == "__main__":
    Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
