"""Leases that come all the time, and SIMULATED machines that follow a flip: they call the API as it is served now."""

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

from bringup import errors, tls
from bringup.connections.api_client import ApiClient
from bringup.inventory import Inventory
from bringup.settings import Settings, load, pki_rules
from bringup.wire.run_events import RunMedia
from bringup_cli.simulate import simulated_machine
from bringup_cli.simulate.fleet import SimulatedFleet
from tests.e2e.deploy.machines import Machine

PORT = 9000  # of the simulated BMCs
# Of 10 leases a second: the others are of machines that the inventory does not know.
RATE, KNOWN_EACH = 10.0, 5


def inventory_text(count: int, address: str) -> str:
    """An inventory of simulated machines whose BMCs are at one address."""
    return "\n".join(
        f'[[device]]\nname = "m{n:04d}"\nbmc_mac = "{mac_of(n)}"\n'
        f'nic_macs = ["02:5c:00:00:{n >> 8:02x}:{n & 255:02x}"]\n'
        f'bmc = "simulated://{address}:{PORT}/m{n:04d}"\nstate = "approved"\n'
        "expected = { memory_gib = 64, cpu_count = 16, nics = 1, disks = [{ size_gb = 480, count = 2 }] }\n"
        for n in range(count)
    )


def mac_of(number: int) -> str:
    """The MAC of a machine; from 10,000 on the inventory knows it not."""
    return f"02:5b:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


class Api:
    """The API of a site as it is served now, for a client outside of its hosts."""

    def __init__(self, machine: Machine, scratch: Path) -> None:
        self._machine = machine
        self._scratch = scratch

    def settings(self) -> Settings:
        """Those of the host now, by the paths that its files have here."""
        config = self._machine.root / "etc/bringup"
        texts = [(config / name).read_text() for name in ("site.env", "worker.env")]
        with tempfile.NamedTemporaryFile("w", dir=self._scratch, suffix=".env") as file:
            file.write("\n".join(texts).replace("=/etc/bringup", f"={config}"))
            file.flush()
            return load({}, Path(file.name), rules=pki_rules).settings

    def client(self, token: str | None = None) -> ApiClient:
        """A client in the present mode."""
        return ApiClient(self.settings(), tls.ClientContexts(), token=token)


class Following:
    """Calls the API in the mode of each moment; a real machine knows only the one that it has booted with."""

    def __init__(self, api: Api, token: str) -> None:
        self._api = api
        self._token = token

    def post(self, path: str, body: Any, reply: Any) -> Any:
        """As `ApiClient.post`."""
        return self._api.client(self._token).post(path, body, reply)


class LoadedFleet(SimulatedFleet):
    """Simulated machines of a site outside of this computer's own settings."""

    def __init__(self, api: Api, inventory: Path, *, boot_s: float, check_s: float, power_log: Path) -> None:
        super().__init__(
            api.settings(), Inventory.read(inventory), {}, boot_s=boot_s, check_s=check_s, power_log=power_log
        )
        self._api = api
        for machine in self.machines.values():
            machine._client_of = self._client_of  # type: ignore[assignment]
        self._server = self.serve()
        Thread(target=self._server.serve_forever, daemon=True).start()

    def _client_of(self, media: RunMedia, _token: str | None) -> Following:
        settings = self._api.settings()
        scheme = settings.api_url.partition("://")[0]
        url = f"{scheme}://{(media.image_url or '').partition('://')[2]}"
        parameters = simulated_machine.read_parameters(url, self.address[0], settings, tls.ClientContexts())
        return Following(self._api, parameters.token)

    def close(self) -> None:
        """No BMC answers any more."""
        self._server.shutdown()
        self._server.server_close()


class Leases(Thread):
    """The file of a DHCP server: ten leases a second, five of them of machines that the inventory knows."""

    def __init__(self, path: Path, machines: range) -> None:
        super().__init__(daemon=True)
        self._path = path
        self._machines = iter(machines)
        self._enough = Event()
        self.known: list[str] = []
        self.all: list[str] = []

    def run(self) -> None:
        """Write until `stop`."""
        number = 0
        while not self._enough.wait(1 / RATE):
            number += 1
            known = next(self._machines, None) if number % 10 < KNOWN_EACH else None
            run_id = self._write(10_000 + number if known is None else known)
            self.known += [] if known is None else [run_id]

    def stop(self) -> None:
        """No lease is written when this returns."""
        self._enough.set()
        self.join()

    def _write(self, number: int) -> str:
        mac, now = mac_of(number), int(time.time())
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        ip = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        line = {"event_type": "lease_assigned", "timestamp": stamp, "data": {"ip": ip, "mac": mac, "hostname": "h"}}
        with self._path.open("ab", buffering=0) as file:
            os.write(file.fileno(), json.dumps(line).encode() + b"\n")
        self.all.append(f"{mac.replace(':', '-')}-{now}")
        return self.all[-1]


def answer(ask: Callable[[], Any], within_s: float = 300) -> Any:
    """What a call returns, tried again while the API is away."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            return ask()
        except errors.TransientError:
            assert time.monotonic() < deadline
            time.sleep(0.5)
