"""The SIMULATED fleet: every machine of the inventory whose BMC is ``simulated://``, behind one HTTP server."""

import contextlib
import json
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bringup import errors, tls
from bringup.connections.api_client import ApiClient
from bringup.inventory import Device, Inventory
from bringup.settings import Settings
from bringup.wire.run_events import RunMedia
from bringup_cli.simulate import simulated_machine
from bringup_cli.simulate.hardware_report import Fault
from bringup_cli.simulate.simulated_machine import SimulatedMachine
from pki import issue, names, profile, store
from pki.errors import PkiError
from pki.session import CaSession

# How long a machine waits for the CA, which issues one certificate at a time: machines that boot together ask together.
_CA_WAIT_S = 30
_CERTIFICATE_DAYS = 1  # a run ends within hours


class SimulatedFleet:
    """All simulated machines of an inventory.

    Args:
        faults: by device name; machines that are not named are sound.
        power_log: a file that gets one JSON line each time that a machine is switched on.

    Raises:
        InventoryError: no machine is simulated, or they do not all share one address.
        SettingsError: a fault names a machine that is not there.
    """

    def __init__(
        self,
        settings: Settings,
        inventory: Inventory,
        faults: Mapping[str, Fault],
        *,
        boot_s: float,
        check_s: float,
        power_log: Path | None = None,
    ) -> None:
        # As real ones: a BMC has no certificate, and the image of a machine has one only where it must show it.
        contexts = tls.ClientContexts(has_certificate=settings.machines_need_certificates)
        certificates = _RunCertificates(settings)
        devices = _simulated(inventory)
        _check_names(faults, devices)
        self.address = _address(devices)

        def client_of(media: RunMedia, token: str | None) -> ApiClient:
            own = certificates.settings_for(media.run_id)
            parameters = simulated_machine.read_parameters(media.image_url or "", self.address[0], own, contexts)
            # As the agent, which connects for each call: the API would end a connection that is silent for a minute.
            return ApiClient(own, contexts, token=token or parameters.token, threads=0)

        self.machines = {
            urlsplit(device.bmc).path: SimulatedMachine(
                device,
                faults.get(device.name, Fault.NONE),
                client_of,
                boot_s=boot_s,
                check_s=check_s,
                powered=partial(_write_line, power_log),
            )
            for device in devices
        }

    def serve(self) -> ThreadingHTTPServer:
        """The server of their BMCs, bound and ready; the caller runs it. Raises SettingsError."""
        try:
            return ThreadingHTTPServer(self.address, partial(_BmcHandler, self.machines))
        except OSError as error:
            where = f"{self.address[0]}:{self.address[1]}"
            raise errors.SettingsError(
                [f"the simulated BMCs cannot listen on {where}: {error.strerror}; does another `bringup simulate` run?"]
            ) from None


def _write_line(path: Path | None, name: str, run_id: str | None) -> None:
    """Append one line, unbuffered, so that the line is complete when the process is killed right after it."""
    if path:
        with path.open("ab", buffering=0) as file:
            file.write(json.dumps({"machine": name, "run_id": run_id, "at": time.time()}).encode() + b"\n")


def _simulated(inventory: Inventory) -> list[Device]:
    devices = [device for device in inventory.by_name.values() if device.bmc.startswith("simulated://")]
    if not devices:
        hint = "--machines 3 writes one that has, where DEVICES_FILE names a file that does not exist"
        raise errors.InventoryError(
            [f'no machine of DEVICES_FILE has bmc = "simulated://127.0.0.1:9000/NAME" or the like; {hint}']
        )
    return devices


def _check_names(faults: Mapping[str, Fault], devices: list[Device]) -> None:
    unknown = sorted(set(faults) - {device.name for device in devices})
    if unknown:
        raise errors.SettingsError(
            [f"--fault {name}: no simulated machine of DEVICES_FILE has this name" for name in unknown]
        )


def _address(devices: list[Device]) -> tuple[str, int]:
    addresses = {(urlsplit(device.bmc).hostname or "", urlsplit(device.bmc).port or 0) for device in devices}
    if len(addresses) != 1 or not all(addresses.copy().pop()):
        raise errors.InventoryError(["all simulated BMCs must share one host:port; correct bmc in DEVICES_FILE"])
    return addresses.pop()


class _RunCertificates:
    """Makes a certificate for each run, with the CA key of this host; a real machine finds its own in its image.

    The certificates are in a temporary folder, which is deleted with this object.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = tempfile.TemporaryDirectory(prefix="bringup-simulate-")

    def settings_for(self, run_id: str) -> Settings:
        """The settings with the certificate that the machine of a run presents.

        Raises:
            PermanentError: the CA key is not here, or cannot be used.
        """
        if not self._settings.machines_need_certificates:
            return self._settings
        pair = Path(self._folder.name) / f"{run_id}.pem"
        if not pair.exists():  # it is asked for again while the image cannot be read
            made = self._made(run_id)
            pair.touch(mode=0o600)
            pair.write_bytes(made)
        return self._settings.model_copy(update={"api_client_cert": pair, "api_client_key": pair})

    def _made(self, run_id: str) -> bytes:
        secret = self._settings.ca_key_passphrase
        try:
            with CaSession.open(
                store.Store(self._settings.pki_dir),
                "bringup simulate",
                datetime.now(UTC),
                validity=profile.Validity(leaf_days=_CERTIFICATE_DAYS),
                passphrase=lambda: secret.get_secret_value() if secret else None,
                wait_s=_CA_WAIT_S,
            ) as session:
                return issue.issue_ephemeral(session, names.Identity(names.Role.RUN, run_id))
        except (PkiError, OSError) as error:
            raise errors.PermanentError(
                f"API_REQUIRE_CLIENT_CERT=true, and no certificate can be made here: {error}"
            ) from None


class _BmcHandler(BaseHTTPRequestHandler):
    """``/<machine>/power``, ``/media``, ``/boot-override`` and ``/identity``, over a connection that is kept."""

    protocol_version = "HTTP/1.1"
    # A reply in one piece: of two, the second would wait for the client to confirm the first. `handle_one_request`
    # flushes.
    wbufsize = -1

    def __init__(self, machines: Mapping[str, SimulatedMachine], *args: Any) -> None:
        self._machines = machines
        super().__init__(*args)

    def do_GET(self) -> None:
        """Read the power state, whose medium is in, or which machine it is."""
        self._serve()

    def do_PUT(self) -> None:
        """Switch the power, insert the medium, set the override."""
        self._serve()

    def do_DELETE(self) -> None:
        """Eject the medium."""
        self._serve()

    def _serve(self) -> None:
        # Whatever comes of it: what is left of a body would be taken for the next request.
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, what = self.path.rpartition("/")
        machine = self._machines.get(path)
        if machine is None:
            self._answer(HTTPStatus.NOT_FOUND)
        elif machine.fault is Fault.BMC_UNREACHABLE:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE)
        elif machine.fault is Fault.BMC_AUTH:
            self._answer(HTTPStatus.UNAUTHORIZED)
        else:
            self._answer(*self._act(machine, f"{self.command} {what}", json.loads(body or b"{}")))

    def _act(self, machine: SimulatedMachine, action: str, body: dict[str, Any]) -> tuple[int, dict[str, object]]:
        if action == "GET identity":
            return 200, machine.identity
        if action == "GET media":
            return 200, {"run_id": machine.medium_of}
        if action == "GET boot-override":
            return 200, {"target": machine.boot_override}
        if action == "PUT media" and machine.fault is Fault.MEDIA_REJECTED:
            return HTTPStatus.BAD_REQUEST, {}
        return self._change(machine, action, body)

    def _change(self, machine: SimulatedMachine, action: str, body: dict[str, Any]) -> tuple[int, dict[str, object]]:
        if action == "PUT media":
            machine.insert(RunMedia.model_validate(body))
        elif action == "DELETE media":
            machine.eject()
        elif action == "PUT boot-override":
            machine.set_boot_once(body.get("target"))
        elif action == "PUT power":
            machine.switch(on=body.get("state") == "On")
        elif action != "GET power":
            return HTTPStatus.NOT_FOUND, {}
        return 200, {"state": "On" if machine.is_on else "Off", "power_on_count": machine.power_on_count}

    def _answer(self, status: int, body: Mapping[str, object] | None = None) -> None:
        content = json.dumps(body or {}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle(self) -> None:
        """As the base class; a client that is killed meanwhile is no error."""
        with contextlib.suppress(ConnectionError):
            super().handle()

    def finish(self) -> None:
        """The same."""
        with contextlib.suppress(ConnectionError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Log nothing: the workers log what they do."""
