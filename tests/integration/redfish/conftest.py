"""A BMC that is sushy-tools' emulator behind HTTPS, with a certificate of its own little CA."""

import hashlib
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import hashes

from bringup.model import Decision, RunState, utc_now
from bringup.wire.machine import IMAGE_FILE
from bringup.wire.run import Run
from bringup.wire.run_events import RunMedia
from pki import profile
from pki.authority import Authority, key_pem, pem
from pki.names import Identity, Role, parse_san
from tests.conftest import MakeSettings, free_port
from tests.integration.redfish.emulator import PASSWORD, SYSTEM, USER, WRITES
from tests.integration.redfish.recorder import PermitRecord, Write, recorded
from workers.bmc import OwnMedia, Permit
from workers.redfish import RedfishBmc
from workers.redfish.gate import Gate

SECRET = "q7nq1LJXyQWmVbSnVh3kAQd6mYyYHkJ0Zs8mL2o3x9E"
PERMIT = Permit("for a test", math.inf)
OWN = OwnMedia("02-00-00-00-00-01-1", frozenset({hashlib.sha256(SECRET.encode()).hexdigest()}))


@dataclass(frozen=True)
class Emulator:
    """The running emulator, and what its operator knows of it."""

    address: str
    ca: Path
    foreign_ca: Path
    fingerprint: str

    @property
    def image(self) -> str:
        """An image that the BMC can fetch."""
        return self.image_of(SECRET)

    def image_of(self, secret: str) -> str:
        """Another, as the API names them."""
        return f"{self.address}/images/{secret}/{IMAGE_FILE}"

    def fail(self, **faults: Any) -> None:
        """What goes wrong from now on; nothing, when nothing is named. See `emulator.Front`."""
        requests.put(f"{self.address}/test", json=faults, verify=str(self.ca), timeout=60).raise_for_status()

    def refuse(self, method: str, path: str, status: int, message: str = "GeneralError", **more: Any) -> None:
        """The next request of this kind (``times`` of them) gets this answer."""
        self.fail(answers=[{"method": method, "path": path, "status": status, "id": message, **more}])

    @property
    def seen(self) -> dict[str, Any]:
        """Requests since the last `fail`, open sessions, logins, the boot override."""
        found: dict[str, Any] = requests.get(f"{self.address}/test", verify=str(self.ca), timeout=60).json()
        return found

    @property
    def systems(self) -> dict[str, dict[str, Any]]:
        """Power, medium and override of every system, by UUID."""
        found: dict[str, dict[str, Any]] = requests.get(
            f"{self.address}/systems", verify=str(self.ca), timeout=60
        ).json()
        return found

    @property
    def writes(self) -> list[Write]:
        """Every write that has ever reached it."""
        return recorded(self.ca.parent / WRITES)

    def ask(self, path: str = "") -> dict[str, Any]:
        """What the real emulator shows of its system, read without our code."""
        found = requests.get(self.address + SYSTEM + path, auth=(USER, PASSWORD), verify=str(self.ca), timeout=60)
        answer: dict[str, Any] = found.json()
        return answer


@contextmanager
def emulated(folder: Path, systems: int = 1) -> Iterator[Emulator]:
    """An emulator in a process of its own, with so many systems behind it."""
    now, port, key = datetime.now(UTC), free_port(), profile.new_key()
    ca, foreign = Authority.new(30, now), Authority.new(30, now)
    leaf = ca.certify(Identity(Role.API, "bmc"), (parse_san("127.0.0.1"),), key.public_key(), 20, now)
    for name, data in {
        "ca.pem": pem(ca.certificate),
        "foreign.pem": pem(foreign.certificate),
        "bmc.pem": pem(leaf),
        "bmc.key": key_pem(key),
    }.items():
        (folder / name).write_bytes(data)
    found = Emulator(
        f"https://127.0.0.1:{port}", folder / "ca.pem", folder / "foreign.pem", leaf.fingerprint(hashes.SHA256()).hex()
    )
    program = [sys.executable, "-m", "tests.integration.redfish.emulator", str(folder), str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*program, str(folder / "bmc.pem"), str(folder / "bmc.key"), str(systems)],
            stdout=log,
            stderr=log,
            env=os.environ | {"NO_PROXY": "127.0.0.1", "TMPDIR": str(folder)},
        )
    try:
        _wait_for(found, process, folder / "log")
        yield found
    finally:
        process.terminate()
        process.wait(180)


def _wait_for(found: Emulator, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        try:
            found.fail()
        except requests.ConnectionError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the emulator did not start: {log.read_text()}")


@pytest.fixture(scope="session")
def emulator_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulated(tmp_path_factory.mktemp("redfish")) as found:
        yield found


@pytest.fixture
def emulator(emulator_process: Emulator) -> Emulator:
    """The emulator as it is fresh: no faults, empty, off, no override."""
    emulator_process.fail(reset=True)
    return emulator_process


@pytest.fixture(autouse=True)
def every_write_had_a_permit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The whole suite: by the emulator's own record, nothing of ours reached it without a valid permit."""
    if "emulator" not in request.fixturenames:
        yield
        return
    record, opens, bmc = PermitRecord(), Gate.writing, request.getfixturevalue("emulator")
    monkeypatch.setattr(Gate, "writing", lambda gate, permit: record.noting(permit, opens(gate, permit)))
    before = len(bmc.writes)
    yield
    assert record.not_covering([write for write in bmc.writes[before:] if write.by_a_worker]) == []


def write_credential(folder: Path, password: str = PASSWORD, *, name: str = "rack1", username: str = USER) -> Path:
    """The file of a credential."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.toml"
    path.touch(0o600)
    path.write_text(f'username = "{username}"\npassword = "{password}"\n')
    return path


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    """A folder with the right credential."""
    write_credential(tmp_path / "credentials")
    return tmp_path / "credentials"


def run_on(emulator: Emulator, **changes: Any) -> Run:
    """A run of the emulated machine, trusting the right CA."""
    fields = {
        "run_id": "02-00-00-00-00-01-1",
        "device": "r1",
        "mac": "02:00:00:00:00:01",
        "ip": "",
        "decision": Decision.START,
        "state": RunState.BOOTING,
        "bmc": emulator.address,
        "credential": "rack1",
        "bmc_ca": str(emulator.ca),
        "created_at": utc_now(),
        "updated_at": utc_now(),
    }
    return Run.model_validate(fields | changes)


def media_of(emulator: Emulator, **changes: Any) -> RunMedia:
    """What the machine is to boot."""
    fields = {"run_id": "02-00-00-00-00-01-1", "callback_url": "http://api", "epoch": 0}
    return RunMedia.model_validate(fields | {"image_url": emulator.image} | changes)


MakeBmc = Callable[..., RedfishBmc]
# Seconds for an answer that never comes: a stall of the machine during one of those that do come is shorter.
NEVER_COMES_S = 4.0


@pytest.fixture
def make_bmc(emulator: Emulator, make_settings: MakeSettings, credentials: Path) -> Iterator[MakeBmc]:
    """A BMC as jobs get it, but one that does not sleep; it is closed at the end.

    Without ``timeout_s`` it has a minute for each answer, as by default: a machine that stalls may need seconds.
    """
    made: list[RedfishBmc] = []

    def make(timeout_s: float = 60, **changes: Any) -> RedfishBmc:
        timeouts = {"bmc_connect_timeout_s": timeout_s, "bmc_read_timeout_s": timeout_s}
        settings = make_settings(bmc_credentials_dir=credentials, **timeouts)
        made.append(RedfishBmc(run_on(emulator, **changes), settings, sleep=lambda _s: None))
        return made[-1]

    yield make
    for bmc in made:
        bmc.close()


@pytest.fixture
def bmc(make_bmc: MakeBmc) -> RedfishBmc:
    """The emulator's BMC, trusted by its CA file."""
    return make_bmc()
