"""A simulated BMC of one family, and the real driver in front of it."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bringup.errors import BmcBusy
from bringup.model import Decision, RunState, boot_clock, utc_now
from bringup.settings import Settings
from bringup.wire.run import Run
from bringup.wire.run_events import RunMedia
from tests.conftest import MakeSettings
from tests.integration.redfish.conftest import write_credential
from tests.integration.redfish.matrix.families import Family
from tests.integration.redfish.matrix.server import PASSWORD, USER, SimulatedRedfish, served
from tests.integration.redfish.recorder import PermitRecord
from workers.bmc import OwnMedia, Permit
from workers.redfish import RedfishBmc
from workers.redfish.gate import Gate

SECRET = "q7nq1LJXyQWmVbSnVh3kAQd6mYyYHkJ0Zs8mL2o3x9E"
IMAGE = f"https://images.example/images/{SECRET}/bringup-validation.iso"
OWN = OwnMedia("02-00-00-00-00-01-1", frozenset({hashlib.sha256(SECRET.encode()).hexdigest()}))
MEDIA = RunMedia(run_id=OWN.run_id, callback_url="https://api", epoch=0, image_url=IMAGE)
_MOST_WAITS = 10
Simulated = tuple[Family, SimulatedRedfish]


@pytest.fixture
def simulated(request: pytest.FixtureRequest) -> Iterator[Simulated]:
    """The BMC of the family that the test names."""
    family: Family = request.param
    with served(SimulatedRedfish(family.tree(), family.behaviour, family.system)) as bmc:
        yield family, bmc


@pytest.fixture(autouse=True)
def every_write_had_a_permit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As for the emulator: nothing reached the simulated BMC but while a permit was valid, by the BMC's own record."""
    if "simulated" not in request.fixturenames:
        yield
        return
    record, opens = PermitRecord(), Gate.writing
    _family, bmc = request.getfixturevalue("simulated")
    monkeypatch.setattr(Gate, "writing", lambda gate, permit: record.noting(permit, opens(gate, permit)))
    yield
    assert all(write.by_a_worker for write in bmc.recorded)
    assert record.not_covering(bmc.recorded) == []


@pytest.fixture
def settings(make_settings: MakeSettings, tmp_path: Path) -> Settings:
    """Settings of a worker that has the BMCs' credential."""
    write_credential(tmp_path / "credentials", PASSWORD, username=USER)
    return make_settings(bmc_credentials_dir=tmp_path / "credentials")


@pytest.fixture
def driver(simulated: Simulated, settings: Settings) -> Iterator[RedfishBmc]:
    """The driver, as the boot job has it."""
    family, bmc = simulated
    made = RedfishBmc(run_of(bmc, **family.record), settings, sleep=lambda _s: None)
    yield made
    made.close()


def run_of(simulated: SimulatedRedfish, **changes: Any) -> Run:
    """A run of the simulated machine."""
    fields: dict[str, Any] = {
        "run_id": OWN.run_id,
        "device": "r1",
        "mac": "02:00:00:00:00:01",
        "ip": "",
        "decision": Decision.START,
        "state": RunState.BOOTING,
        "bmc": simulated.address,
        "credential": "rack1",
        "created_at": utc_now(),
        "updated_at": utc_now(),
    }
    return Run.model_validate(fields | changes)


def written(driver: RedfishBmc, act: Callable[[Permit], None]) -> None:
    """As the boot job does it: a fresh permit each time, and again while the BMC is busy."""
    for _ in range(_MOST_WAITS):
        driver.connect()
        try:
            return act(Permit("test", boot_clock() + 5))
        except BmcBusy:
            continue
    raise AssertionError("the BMC stayed busy")


def boot_it(driver: RedfishBmc) -> None:
    """Insert, off, override, on."""
    written(driver, lambda permit: driver.insert_media(MEDIA, permit))
    written(driver, driver.power_off)
    written(driver, lambda permit: driver.set_boot_once("cd", permit))
    written(driver, driver.power_on)
