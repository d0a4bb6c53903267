"""The application on a real Redis, and a client that knows who it is."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import PREFIX
from bringup.inventory import Inventory
from bringup.settings import Settings
from bringup_cli.simulate.hardware_report import Fault, report_of
from tests import applications
from tests.conftest import TOKEN

INVENTORY = """
[[device]]
name = "a"
bmc_mac = "02:00:00:00:00:01"
nic_macs = ["02:00:00:00:01:01"]
bmc = "simulated://127.0.0.1:9/a"
expected = { memory_gib = 64 }
[[device]]
name = "b"
bmc_mac = "02:00:00:00:00:02"
nic_macs = ["02:00:00:00:01:02"]
bmc = "simulated://127.0.0.1:9/b"
[[device]]
name = "active"
bmc_mac = "02:00:00:00:00:03"
bmc = "simulated://127.0.0.1:9/active"
state = "active"
[[device]]
name = "resting"
bmc_mac = "02:00:00:00:00:04"
bmc = "simulated://127.0.0.1:9/resting"
maintenance = "disk replacement"
"""
LEASE: dict[str, Any] = {
    "mac": "02:00:00:00:00:01",
    "ip": "10.0.0.1",
    "action": "assigned",
    "starts": "2026-11-23T09:41:36Z",
    "source": "test",
}
EPOCH = 1795426896
RUN_A = f"02-00-00-00-00-01-{EPOCH}"
RUN_B = f"02-00-00-00-00-02-{EPOCH}"


class Api:
    """Calls the API as staff, or with another token."""

    def __init__(self, client: FlaskClient, inventory: Path) -> None:
        self.client = client
        self.inventory = inventory

    def call(self, method: str, path: str, json: Any = None, token: str | None = TOKEN, **kwargs: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= kwargs.pop("headers", {})
        return self.client.open(PREFIX + path, method=method, json=json, headers=headers, **kwargs)

    def ok(self, method: str, path: str, json: Any = None, token: str | None = TOKEN) -> dict[str, Any]:
        answer = self.call(method, path, json, token)
        assert answer.status_code < 300, answer.text
        found: dict[str, Any] = answer.json
        return found

    def lease(self, run_id: str = RUN_A, **changes: Any) -> Any:
        mac = run_id.rpartition("-")[0].replace("-", ":")
        return self.call("PUT", f"/runs/{run_id}", LEASE | {"mac": mac} | changes)

    def tell(self, run_id: str, kind: str, **fields: Any) -> Any:
        return self.call("POST", f"/runs/{run_id}/events", {"type": kind, "owner": "w", **fields})

    def booted(self, run_id: str = RUN_A, *, read: bool = True) -> str:
        """A run whose machine is on; returns its token; without ``read`` its BMC has not read the image."""
        assert self.lease(run_id).status_code == 201
        assert self.tell(run_id, "boot_started").status_code == 202
        token = self.mint(run_id) if read else ""
        if not read:
            self.ok("POST", f"/runs/{run_id}/media", {"owner": "w"})
        for kind in ("media_inserted", "power_requested", "powered_off", "powered_on"):
            assert self.tell(run_id, kind).status_code == 202
        return token

    def mint(self, run_id: str = RUN_A) -> str:
        """The token in the run's image, which this client reads as its BMC: the simulated ones are at 127.0.0.1."""
        url = self.ok("POST", f"/runs/{run_id}/media", {"owner": "w"})["image_url"]
        area = self.call("GET", url.partition(PREFIX)[2], token=None).data
        return str(json.loads(area)["token"])

    def report(self, name: str = "a", fault: Fault = Fault.NONE) -> dict[str, Any]:
        device = Inventory.read(self.inventory).by_name[name]
        return report_of(device, fault, "boot-1").model_dump(mode="json")

    def run(self, run_id: str = RUN_A) -> dict[str, Any]:
        return self.ok("GET", f"/runs/{run_id}")

    def jobs(self) -> dict[str, int]:
        """Jobs that wait, by queue."""
        return {q["name"]: q["queued"] for q in self.ok("GET", "/queues")["queues"]}


def without_tls(patch: pytest.MonkeyPatch) -> None:
    """Flask's client makes no TLS connection: no certificate is shown, and none is asked for."""
    patch.setattr("api.auth._check_certificate", lambda _allowed: None)
    for name in ("presented", "identity"):
        patch.setattr(f"api.peer_certificate.{name}", lambda: None)


@pytest.fixture
def open_api() -> Iterator[Callable[[Settings], Api]]:
    """Opens applications on the inventory that is there; they are closed at the end."""
    with ExitStack() as opened:

        def start(settings: Settings) -> Api:
            app = opened.enter_context(applications.opened(settings))
            return Api(app.test_client(), settings.devices_file)

        yield start


@pytest.fixture
def make_api(open_api: Callable[[Settings], Api]) -> Callable[[Settings], Api]:
    """Opens applications on the inventory of these tests."""

    def make(settings: Settings) -> Api:
        settings.devices_file.write_text(INVENTORY)
        return open_api(settings)

    return make


@pytest.fixture
def api(settings: Settings, make_api: Callable[[Settings], Api]) -> Api:
    return make_api(settings)
