"""A simulated BMC: a tree of resources, what was written over it, and a machine that boots.

It answers over HTTP on 127.0.0.1, and keeps what it was sent. A machine that is switched on boots what the boot
override names at that moment, if this firmware boots that: `booted` is what it was.
"""

import copy
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.integration.redfish.matrix.behaviour import Answer, Behaviour, refusal
from tests.integration.redfish.recorder import Write

USER, PASSWORD = "root", "of-the-matrix"
SESSIONS = "/redfish/v1/SessionService/Sessions"
_TOKEN = "a-token"
_DISK = "disk"


@dataclass
class SimulatedRedfish:
    """One BMC.

    Args:
        tree: by path without a slash at its end.
        system: the path of the machine's system.
    """

    tree: dict[str, dict[str, Any]]
    behaviour: Behaviour
    system: str
    log: list[tuple[str, str, Any]] = field(default_factory=list)
    booted: list[str] = field(default_factory=list)
    address: str = ""
    refuses_basic: bool = False
    recorded: list[Write] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tree = copy.deepcopy(self.tree)
        self._counts: Counter[str] = Counter()
        self._shows_later: dict[str, tuple[int, dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._state = str(self.tree[self.system].get("PowerState", "Off"))

    @property
    def writes(self) -> list[tuple[str, str, Any]]:
        """Every request that could change something, logins left out."""
        return [line for line in self.log if line[0] not in {"GET", "HEAD"} and not line[1].startswith(SESSIONS)]

    @property
    def media(self) -> dict[str, str]:
        """The slots in which a machine sees a medium, and which."""
        slots = {path: body for path, body in self.tree.items() if body.get("Inserted") is True}
        return {path.rpartition("/")[2]: str(body.get("Image")) for path, body in slots.items()}

    @property
    def power(self) -> str:
        """The machine's power, whatever is shown of it."""
        return self._state

    @property
    def boot(self) -> dict[str, Any]:
        """The boot override where this firmware takes it."""
        return dict(self._boot_place().get("Boot", {}))

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer | None:
        """The answer to one request; None: the connection is closed without one."""
        with self._lock:
            path = path.split("?", maxsplit=1)[0].rstrip("/")
            self.log.append((method, path, body))
            if method not in {"GET", "HEAD"} and not path.startswith(SESSIONS):
                agent = headers.get("User-Agent", "").partition("/")[0]
                self.recorded.append(Write(time.time(), method, path, agent))
            self._counts[method] += 1
            every = self.behaviour.drops_reads
            if method == "GET" and every and self._counts["GET"] % every == 0:
                return None
            return self._refused_first(method, path) or self._dispatch(method, path, headers, body)

    def _refused_first(self, method: str, path: str) -> Answer | None:
        for (of_method, end), (times, answer) in self.behaviour.first_refusals.items():
            if method == of_method and path.endswith(end) and self._counts[f"{method} {end}"] < times:
                self._counts[f"{method} {end}"] += 1
                return answer
        return None

    def _dispatch(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        if path == SESSIONS or path.startswith(f"{SESSIONS}/"):
            return self._session(method, body)
        if path != "/redfish/v1" and not self._is_in(headers):
            return refusal(401, "NoValidSession")
        if method in {"GET", "HEAD"}:
            return self._get(path)
        if method == "PATCH":
            return self._patch(path, headers, body)
        return self._post(path, body)

    def _session(self, method: str, body: Any) -> Answer:
        if method == "DELETE":
            return 204, {}, None
        if self.behaviour.sessions == "no":
            return refusal(404, "ResourceMissingAtURI")
        if self.behaviour.sessions == "limit":
            return refusal(503, "RAC0218", "The maximum number of user sessions is reached.")
        if (body.get("UserName"), body.get("Password")) != (USER, PASSWORD):
            return refusal(401, "ResourceAtUriUnauthorized")
        return 201, {"X-Auth-Token": _TOKEN, "Location": f"https://bmc.invalid{SESSIONS}/1"}, {"Id": "1"}

    def _is_in(self, headers: dict[str, str]) -> bool:
        is_basic = headers.get("Authorization", "").startswith("Basic ") and not self.refuses_basic
        return headers.get("X-Auth-Token") == _TOKEN or is_basic

    def _get(self, path: str) -> Answer:
        self._ripen(path)
        if path not in self.tree:
            return refusal(404, "ResourceMissingAtURI", f"The resource at {path} is missing.")
        body = self.tree[path]
        if path == self.system:
            body = body | {"PowerState": self._shown_power()}
        if path.startswith("/redfish/v1/TaskService/"):
            return 200, {}, body
        return 200, {"ETag": self._etag(path)} if self.behaviour.needs_etag else {}, body

    def _etag(self, path: str) -> str:
        plain = f'"{abs(hash(json.dumps(self.tree.get(path), sort_keys=True))) % 10**8}"'
        return f"W/{plain}" if self.behaviour.needs_etag == "strong" else plain

    def _ripen(self, path: str) -> None:
        left, change = self._shows_later.get(path, (0, {}))
        if change and left <= 0:
            self.tree[path] |= change
            del self._shows_later[path]
        elif change:
            self._shows_later[path] = (left - 1, change)

    def _shown_power(self) -> str:
        if self._counts["transition"] > 0:
            self._counts["transition"] -= 1
            return "PoweringOn"
        return self._state

    def _patch(self, path: str, headers: dict[str, str], body: Any) -> Answer:
        if path not in self.tree:
            return refusal(404, "ResourceMissingAtURI")
        if self.behaviour.needs_etag and headers.get("If-Match") != self._etag(path).removeprefix("W/"):
            return refusal(428 if "If-Match" not in headers else 412, "PreconditionRequired")
        if "Image" in body:
            return self._patch_image(path, body)
        if "Boot" in body:
            return self._patch_boot(path, body["Boot"])
        if "Attributes" in body:
            body = {"Attributes": self.tree[path]["Attributes"] | body["Attributes"]}
        self.tree[path] |= body
        return 204, {}, None

    def _patch_image(self, path: str, body: Any) -> Answer:
        refused = self.behaviour.slot_refuses.get(path.rpartition("/")[2])
        if refused:
            return refused
        inserted = bool(body["Image"])
        self.tree[path] |= {"Image": body["Image"], "Inserted": inserted}
        return 200, {}, self.tree[path]

    def _patch_boot(self, path: str, boot: dict[str, Any]) -> Answer:
        if self.behaviour.in_post and self._state == "On" and boot.get("BootSourceOverrideEnabled") == "Once":
            return self.behaviour.in_post
        place = self.tree[path]
        kept = dict(place.get("Boot") or {})
        unknown = sorted(set(boot) - {"HttpBootUri"} - set(kept))
        if unknown:
            return refusal(400, "PropertyUnknown", f"The property {unknown[0]} is unknown.")
        if self.behaviour.resets_mode and "BootSourceOverrideMode" not in boot:
            kept["BootSourceOverrideMode"] = "Legacy"
        place["Boot"] = kept | boot
        if self.behaviour.shows_boot_live and path != self.system:
            self.tree[self.system]["Boot"] = dict(self.tree[self.system]["Boot"]) | boot
        return 200, {}, {"@Message.ExtendedInfo": [{"MessageId": "Base.1.8.Success", "Severity": "OK"}]}

    def _post(self, path: str, body: Any) -> Answer:
        if path.endswith("ComputerSystem.Reset"):
            return self._reset(body)
        if path.endswith("/Certificates"):
            number = f"{path}/{len(self.tree[path]['Members']) + 1}"
            self.tree[path]["Members"].append({"@odata.id": number})
            self.tree[number] = {"@odata.id": number} | body
            return 201, {"Location": number}, self.tree[number]
        slot, _, name = path.partition("/Actions/")
        if name.endswith("VirtualMedia.InsertMedia"):
            return self._insert(slot, body)
        if name.endswith("VirtualMedia.EjectMedia"):
            return self._eject(slot, body)
        return self._own_way(slot, name, body)

    def _own_way(self, slot: str, name: str, body: Any) -> Answer:
        """What no standard knows; Huawei's and Supermicro's."""
        slot = slot.removesuffix("/Oem/Huawei")
        if name.endswith("VirtualMedia.VmmControl"):
            if body["VmmControlType"] == "Connect":
                return self._insert(slot, {"Image": body["Image"]})
            return self._eject(slot, body)
        config, disc = self.tree.get(slot, {}), slot.rpartition("/")[0]
        if name.endswith("IsoConfig.Mount"):
            self.tree[disc]["Members"] = [{"@odata.id": f"{disc}/CD1"}]
            image = str(config.get("Host", "")) + str(config.get("Path", ""))
            self.tree[f"{disc}/CD1"] = {"@odata.id": f"{disc}/CD1", "Id": "CD1", "Inserted": True, "Image": image}
            return 200, {}, {}
        if name.endswith("IsoConfig.UnMount"):
            self.tree[disc]["Members"] = []
            self.tree.pop(f"{disc}/CD1", None)
            return 200, {}, {}
        return refusal(404, "ActionNotSupported")

    def _insert(self, slot: str, body: dict[str, Any]) -> Answer:
        how = self.behaviour
        if refused := how.slot_refuses.get(slot.rpartition("/")[2]):
            return refused
        if missing := sorted(how.insert_needs - set(body)):
            text = f"The action requires the parameter {missing[0]} to be present."
            return refusal(400, "ActionParameterMissing", text, MessageArgs=["InsertMedia", missing[0]])
        if how.insert_takes is not None and (unknown := sorted(set(body) - how.insert_takes)):
            return refusal(400, "ActionParameterUnknown", f"The parameter {unknown[0]} is unknown.")
        if self.tree[slot].get("Inserted") is True:
            return refusal(500, "VRM0012", "A virtual media device is connected already.")
        if how.insert_task and how.insert_task[0] != "Completed":
            return self._task(*how.insert_task)
        self._show(slot, how.mounts_after, {"Image": body["Image"], "Inserted": True, "ConnectedVia": "URI"})
        return self._task(*how.insert_task) if how.insert_task else (how.insert_answer, {}, None)

    def _eject(self, slot: str, body: Any) -> Answer:
        if self.behaviour.eject_needs_body and body is None:
            return refusal(400, "MalformedJSON")
        empty: dict[str, Any] = {"Inserted": False, "ConnectedVia": "NotConnected"}
        self._show(slot, self.behaviour.ejects_after, empty if self.behaviour.keeps_name else empty | {"Image": None})
        success = {
            "error": {"code": "iLO.0.10.ExtendedInfo", "@Message.ExtendedInfo": [{"MessageId": "Base.1.4.Success"}]}
        }
        return 200, {}, success

    def _show(self, slot: str, after: int, change: dict[str, Any]) -> None:
        if after:
            self._shows_later[slot] = (after, change)
        else:
            self.tree[slot] |= change

    def _task(self, state: str, text: str) -> Answer:
        path = "/redfish/v1/TaskService/Tasks/7"
        message = {
            "MessageId": "Vendor.1.0.Mount",
            "Message": text,
            "Severity": "OK" if state == "Completed" else "Critical",
        }
        self.tree[path] = {"@odata.id": path, "Id": "7", "TaskState": state, "Messages": [message]}
        return 202, {"Location": path}, None

    def _reset(self, body: dict[str, Any]) -> Answer:
        how = body["ResetType"]
        if how == "On" and self._state == "On":
            return refusal(400, "InvalidOperationForSystemState", "The host is on already.")
        if how == "On" and self._counts["refused on"] < self.behaviour.on_refused_after_off and self._counts["off"]:
            self._counts["refused on"] += 1
            return refusal(409, "ResourceInUse", "The host is switching off.")
        self._state = "On" if how == "On" else "Off"
        self._counts["off"] += how != "On"
        if how == "On":
            self._counts["transition"] = self.behaviour.transition_reads
            self.booted.append(self._boot_once())
        return 204, {}, None

    def _boot_place(self) -> dict[str, Any]:
        if self.behaviour.takes_boot_at == "system":
            return self.tree[self.system]
        if self.behaviour.takes_boot_at.startswith("/"):
            return self._dell_attributes()
        return self.tree[str(self.tree[self.system]["@Redfish.Settings"]["SettingsObject"]["@odata.id"]).rstrip("/")]

    def _dell_attributes(self) -> dict[str, Any]:
        """Dell's attributes in the words of the standard, to look at."""
        attributes = self.tree[self.behaviour.takes_boot_at]["Attributes"]
        is_once = attributes["ServerBoot.1.BootOnce"] == "Enabled"
        device = attributes["ServerBoot.1.FirstBootDevice"]
        is_set = is_once and device != "Normal"
        return {
            "Boot": {
                "BootSourceOverrideEnabled": "Once" if is_set else "Disabled",
                "BootSourceOverrideTarget": device,
            }
        }

    def _boot_once(self) -> str:
        """What the machine boots; a Once ends with it."""
        boot = self._boot_place()["Boot"]
        if boot.get("BootSourceOverrideEnabled") != "Once":
            return _DISK
        if self.behaviour.takes_boot_at.startswith("/"):
            attributes = self.tree[self.behaviour.takes_boot_at]["Attributes"]
            attributes |= {"ServerBoot.1.FirstBootDevice": "Normal", "ServerBoot.1.BootOnce": "Disabled"}
        for place in (self._boot_place(), self.tree[self.system]):
            place["Boot"] = dict(place.get("Boot") or {}) | {"BootSourceOverrideEnabled": "Disabled"}
        if boot.get("BootSourceOverrideTarget") == "UefiHttp":
            return str(boot.get("HttpBootUri"))
        bootable = [image for slot, image in self.media.items() if slot in (self.behaviour.bootable_slots or {slot})]
        return bootable[0] if bootable and boot.get("BootSourceOverrideTarget") in self.behaviour.boots_from else _DISK


@contextmanager
def served(bmc: SimulatedRedfish) -> Iterator[SimulatedRedfish]:
    """The BMC on a free port, until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(bmc))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    bmc.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield bmc
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(bmc: SimulatedRedfish) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            answer = bmc.answer(self.command, self.path, dict(self.headers), json.loads(raw) if raw else None)
            if answer is None:
                self.close_connection = True
                return
            status, headers, body = answer
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if content:
                self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = _any  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_args: object) -> None:
            """Keep the tests' output clean."""

    return Handler
