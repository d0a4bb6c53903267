"""sushy-tools' Redfish emulator as one HTTPS process, with what a test wants to go wrong in front of it.

The emulator itself knows no sessions and always says "Continuous" of the boot override: both are done here, as
the schema has them. Everything else that is answered without a fault is the emulator's own.

Run by the tests: ``python -m tests.integration.redfish.emulator FOLDER PORT CERTIFICATE KEY``.
"""

import base64
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import bcrypt
from sushy_tools.emulator import main as emulator  # type: ignore[import-untyped]
from sushy_tools.emulator.resources.systems import fakedriver  # type: ignore[import-untyped]
from werkzeug import Request, Response
from werkzeug.serving import run_simple

UUID = "27946b59-9e44-4fa7-8e91-f3527a1ef094"
USER, PASSWORD = "root", "calvin-of-the-tests"
SYSTEM = f"/redfish/v1/Systems/{UUID}"
SESSIONS = "/redfish/v1/SessionService/Sessions"
_WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Front:
    """Sessions, the boot override, and faults, before the real emulator."""

    def __init__(self, app: _WSGI) -> None:
        self._app = app
        self.faults: dict[str, Any] = {}
        self.sessions: dict[str, str] = {}  # id -> token
        self.logins = 0
        self.log: list[str] = []
        self.override: dict[str, Any] = {}
        self.http_boot_uri: str | None = None
        self._reset()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        is_slow = request.path.endswith(str(self.faults.get("slow", "nothing")))
        answer = self._own(request) or self._faulty(request) or self._redfish(request)
        if is_slow:
            time.sleep(2)  # what was asked is done; only its answer comes too late
        return answer(environ, start_response)

    def _own(self, request: Request) -> Response | None:
        """What the tests ask, and the image that BMCs fetch."""
        if request.path == "/test":
            if request.method == "PUT":
                self.faults = request.get_json()
                self.log.clear()
            if self.faults.pop("reset", False):
                self._reset()
            names = ("log", "logins", "override", "http_boot_uri")
            return _json({name: getattr(self, name) for name in names} | {"sessions": len(self.sessions)})
        return Response(b"an image") if request.path.startswith("/images/") else None

    def _reset(self) -> None:
        """As it is fresh: empty, off, no override, nobody logged in."""
        self.override = {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None"}
        self.http_boot_uri = None
        self.sessions.clear()
        emulator.app.vmedia.eject_image(UUID, "Cd")
        emulator.app.systems._update(UUID, power_state="Off", pending_power=None)

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
        if request.path == SYSTEM:
            return self._system(request, token)
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

    def _system(self, request: Request, token: str | None) -> Response:
        if request.method == "PATCH":
            return self._patch_boot(request, token)
        answer = self._real(request, token)
        if answer.status_code != 200:
            return answer
        body = json.loads(answer.get_data())
        body["Boot"] |= self.override
        if self.faults.get("media_under_manager"):
            body.pop("VirtualMedia", None)
        return _json(body)

    def _patch_boot(self, request: Request, token: str | None) -> Response:
        wanted = dict(request.get_json()["Boot"])
        if self.faults.get("forgets_override", 0) > 0:
            self.faults["forgets_override"] -= 1
            return Response(status=204)
        self.http_boot_uri = wanted.pop("HttpBootUri", None)
        self.override |= wanted
        if "BootSourceOverrideTarget" not in wanted or self.http_boot_uri:
            return Response(status=204)  # the fake driver has no place for an address
        return self._real(request, token)

    def _real(self, request: Request, token: str | None) -> Response:
        """The emulator's own answer; it knows Basic authentication, so a good session becomes that."""
        if self.faults.get("stuck") and request.path.endswith("VirtualMedia.EjectMedia"):
            return Response(status=204)
        if self.faults.get("fetches_nothing") and request.path.endswith("VirtualMedia.InsertMedia"):
            return Response(status=204)
        fakedriver.random = SimpleNamespace(randint=lambda _low, _high: self.faults.get("power_lag_s", 0))
        environ = dict(request.environ) | {"wsgi.input": BytesIO(request.get_data())}
        if token:
            basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            environ["HTTP_AUTHORIZATION"] = f"Basic {basic}"
        return Response.from_app(self._app, environ, buffered=True)


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(body), status, headers, content_type="application/json")


def _error(message_id: str) -> dict[str, Any]:
    """Source: DSP0266 s.8.6 (error responses)."""
    full = f"Base.1.8.{message_id}"
    info = [{"MessageId": full, "Message": f"This BMC says {message_id}", "Severity": "Critical"}]
    return {"error": {"code": full, "message": f"This BMC says {message_id}", "@Message.ExtendedInfo": info}}


def serve(folder: Path, port: int, certificate: str, key: str) -> None:
    """Serve until killed, or until whoever started it has gone."""
    users = folder / "users"
    users.write_text(f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n")
    extra = {
        "SUSHY_EMULATOR_FAKE_DRIVER": True,
        "SUSHY_EMULATOR_STATE_DIR": str(folder),
        "SUSHY_EMULATOR_AUTH_FILE": str(users),
    }
    emulator.app.configure(extra_config=extra)
    run_simple("127.0.0.1", port, Front(emulator.app), threaded=True, ssl_context=(certificate, key))


def end_with(parent: int) -> None:
    """A test run that was killed must not leave us behind."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


if __name__ == "__main__":
    Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
