"""The whole chain for the machines of some cases: API and worker are processes, the emulator is the BMC of all."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.connections.redis_client import connect_redis
from bringup.model import LeaseEvent
from bringup.queues import Queues
from bringup.wire.machine import AREA_HEAD, AREA_SIZE
from bringup.wire.operator import DeviceView
from bringup.wire.run import Run, RunDetail, RunList
from tests.in_process import QuickStack
from tests.integration.redfish.cases import CASES, FOREIGN_CA, UUIDS, Case
from tests.integration.redfish.conftest import Emulator, write_credential
from tests.integration.redfish.emulator import SYSTEMS

AREA_AT = 32_768
_SETTINGS = {
    "ENVIRONMENT": "development",
    "API_WORKERS": "1",
    "BMC_TRIES": "3",
    "BMC_READ_TIMEOUT_S": "6",
    "BMC_MEDIA_S": "1",
    "RETRY_MIN_S": "1",
    "RETRY_MAX_S": "1",
    "BOOT_TIMEOUT_S": "20",
    "HEARTBEAT_INTERVAL_S": "3",
    "HEARTBEAT_LOST_S": "15",
}


class Rack:
    """A stack of its own, and what people see of it.

    Args:
        folder: as `prepare` has left it.
        name: of the folder for its own files.
    """

    def __init__(self, folder: Path, name: str, settings: dict[str, str]) -> None:
        own = folder / name
        own.mkdir()
        files = {
            "VALIDATION_IMAGE": str(folder / "validation.iso"),
            "BMC_CREDENTIALS_DIR": str(folder / "credentials"),
            "DEVICES_FILE": str(folder / "devices.toml"),
        }
        self.stack = QuickStack(own, _SETTINGS | files | settings)

    def start_worker(self) -> None:
        """A real worker process."""
        self.stack._spawn("work", [sys.executable, "-m", "bringup", "work"], role="worker")

    def lease(self, names: Iterable[str]) -> None:
        """The machines of these cases get their addresses."""
        queues = Queues(connect_redis(self.stack.settings_of("tailer"), tls.ClientContexts(), name="tests"))
        for name in names:
            queues.add_lease(_lease(name))

    def runs(self) -> dict[str, Run]:
        """By case; what has not been decided yet is missing."""
        by_id = {run.run_id: run for run in self.stack.api.get("/runs?limit=1000", RunList).runs}
        return {name: by_id[_lease(name).run_id] for name in CASES if _lease(name).run_id in by_id}

    def run(self, name: str) -> RunDetail:
        """All about one."""
        return self.stack.api.get(f"/runs/{_lease(name).run_id}", RunDetail)

    def device(self, name: str) -> DeviceView:
        """The machine of a case."""
        return self.stack.api.get(f"/devices/{_device(name)}", DeviceView)

    def operator(self) -> ApiClient:
        """A client with a certificate of that role."""
        self.stack.command("pki", "issue", "operator", "--name", "oncall")
        files = self.stack.settings.pki_dir / "issued" / "operator"
        own = {"api_client_cert": files / "oncall-cert.pem", "api_client_key": files / "oncall-key.pem"}
        return ApiClient(self.stack.settings.model_copy(update=own), tls.ClientContexts())


def prepare(folder: Path, emulator: Emulator) -> None:
    """The image, the credentials and the inventory."""
    (folder / "validation.iso").write_bytes(bytes(AREA_AT) + AREA_HEAD.ljust(AREA_SIZE))
    write_credential(folder / "credentials")
    write_credential(folder / "credentials", "another word", name="wrong")
    (folder / "devices.toml").write_text("".join(_entry(name, case, emulator) for name, case in CASES.items()))


def _entry(name: str, case: Case, emulator: Emulator) -> str:
    fields = {
        "name": _device(name),
        "bmc_mac": _mac(name),
        "bmc": f"{emulator.address}{SYSTEMS}{UUIDS[name]}",
        "credential": "rack1",
        "bmc_ca": str(emulator.ca),
        **case.entry,
    }
    if fields["bmc_ca"] == FOREIGN_CA:
        fields["bmc_ca"] = str(emulator.foreign_ca)
    return "[[device]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items())


def _lease(name: str) -> LeaseEvent:
    fixed = {"ip": "192.0.2.1", "action": "assigned", "starts": "2026-01-01T00:00:00Z", "source": "tests"}
    return LeaseEvent.model_validate({"mac": _mac(name), **fixed})


def _device(name: str) -> str:
    return name.lower().replace(" ", "-").replace("'", "")


def _mac(name: str) -> str:
    return f"02:00:00:00:00:{list(CASES).index(name):02x}"
