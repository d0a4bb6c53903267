"""What must never be lost, put where it lies in daily work: through the API, and by the tailer's role."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from bringup import tls
from bringup.connections.redis_client import connect_redis
from bringup.inventory import Inventory
from bringup.model import LeaseEvent
from bringup.queues import Queues
from bringup_cli.simulate.hardware_report import Fault, report_of
from tests.administrator import ADMINISTRATOR, add_administrator
from tests.in_process import QuickStack
from tests.integration.api.conftest import EPOCH, INVENTORY, LEASE, RUN_A, RUN_B

if TYPE_CHECKING:
    from redis import Redis

QUEUED = f"02-00-00-00-00-09-{EPOCH}"


class Filled:
    """Redis and one API process; the connection to the API is plain, whatever that to Redis is."""

    def __init__(self, folder: Path, *, use_tls: bool) -> None:
        (folder / "devices.toml").write_text(INVENTORY)
        self.use_tls = use_tls
        self.stack = QuickStack(folder, {"API_WORKERS": "2", "REDIS_USE_TLS": str(use_tls).lower()})
        self.data = folder / "redis/data"
        self.state = folder / "state"

    def start(self) -> None:
        """Redis, with someone who may administer it, and the API."""
        self.stack.command("redis-conf", "--force")
        add_administrator(self.stack)
        self.stack.run_redis()
        self.stack.start("api")

    def call(self, method: str, path: str, json: Any = None, token: str | None = None) -> Any:
        secret = self.stack.settings.api_token
        assert secret
        return requests.request(
            method,
            f"{self.stack.settings.api_url}/api/v1{path}",
            json=json,
            headers={"Authorization": f"Bearer {token or secret.get_secret_value()}"},
            timeout=180,
        )

    def ok(self, method: str, path: str, json: Any = None, token: str | None = None) -> Any:
        answer = self.call(method, path, json, token)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def lease(self, run_id: str) -> Any:
        mac = run_id.rpartition("-")[0].replace("-", ":")
        return self.ok("PUT", f"/runs/{run_id}", LEASE | {"mac": mac})

    def post_event(self, run_id: str, kind: str) -> Any:
        return self.call("POST", f"/runs/{run_id}/events", {"type": kind, "owner": "w"})

    def boot(self, run_id: str) -> str:
        """Start a run up to its machine being on; returns the run's token."""
        self.lease(run_id)
        self.post_event(run_id, "boot_started")
        url = self.ok("POST", f"/runs/{run_id}/media", {"owner": "w"})["image_url"]
        token = str(self.ok("GET", url.partition("/api/v1")[2])["token"])
        for kind in ("power_on_requested", "powered_on"):
            assert self.post_event(run_id, kind).status_code == 202
        return token

    def fill(self) -> None:
        """One run with a verdict, one under way, a machine that was put in service, a lease that waits."""
        token = self.boot(RUN_A)
        device = Inventory.read(self.stack.settings.devices_file).by_name["a"]
        self.ok("POST", f"/runs/{RUN_A}/report", report_of(device, Fault.NONE, "b").model_dump(mode="json"), token)
        self.post_event(RUN_A, "finished")
        self.boot(RUN_B)
        self.ok("PATCH", "/devices/resting", {"state": "active"})
        lease = LeaseEvent.model_validate(LEASE | {"mac": "02:00:00:00:00:09"})
        assert Queues(self.redis("tailer")).add_lease(lease)

    def held(self) -> dict[str, Any]:
        """What people and workers see of it all."""
        return {
            "runs": self.ok("GET", "/runs"),
            "timelines": [self.ok("GET", f"/runs/{run_id}")["timeline"] for run_id in (RUN_A, RUN_B)],
            "report": self.ok("GET", f"/runs/{RUN_A}/report"),
            "devices": self.ok("GET", "/devices"),
            "queues": self._queues(),
        }

    def _queues(self) -> dict[str, Any]:
        """Without for how long jobs wait, which goes on while nothing is lost."""
        found: dict[str, Any] = self.ok("GET", "/queues")
        return found | {"queues": [queue | {"oldest_s": None} for queue in found["queues"]]}

    def redis(self, role: str) -> "Redis":
        """A connection with the rights of a role."""
        return connect_redis(self.stack.settings_of(role), tls.ClientContexts(), name="tests")

    def keeper(self) -> "Redis":
        """A connection that may do everything."""
        return self.redis(ADMINISTRATOR)

    def copy_data(self, to: str) -> Path:
        """A backup of the files of Redis, as they are now."""
        backup = self.stack.folder / to
        shutil.copytree(self.data, backup)
        return backup

    def restore(self, backup: Path) -> None:
        """Put a backup back, with Redis stopped."""
        shutil.rmtree(self.data)
        shutil.copytree(backup, self.data)
