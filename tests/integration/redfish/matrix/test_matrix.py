"""Each family through the real driver: identity, insert and read back, off, override, on, and clean-up."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bringup.errors import BmcBusy, BmcRejected, BmcUnavailable
from bringup.model import Decision, RunState, utc_now
from bringup.wire import Run, RunMedia
from tests.conftest import MakeSettings
from tests.integration.redfish.conftest import write_credential
from tests.integration.redfish.matrix.families import FAMILIES, Family
from tests.integration.redfish.matrix.server import PASSWORD, USER, SimulatedRedfish, served
from workers.own_media import OwnMedia
from workers.permit import Permit, boot_clock
from workers.redfish import RedfishBmc

SECRET = "q7nq1LJXyQWmVbSnVh3kAQd6mYyYHkJ0Zs8mL2o3x9E"
IMAGE = f"https://images.example/images/{SECRET}/bringup-validation.iso"
OWN = OwnMedia("02-00-00-00-00-01-1", frozenset({hashlib.sha256(SECRET.encode()).hexdigest()}))
MEDIA = RunMedia(run_id=OWN.run_id, callback_url="https://api", run_token="t", epoch=0, image_url=IMAGE)
_MOST_WAITS = 10

BOOTING = [family for family in FAMILIES if not family.reason]
REFUSING = [family for family in FAMILIES if family.reason]


@pytest.fixture
def simulated(request: pytest.FixtureRequest) -> Iterator[tuple[Family, SimulatedRedfish]]:
    family: Family = request.param
    with served(SimulatedRedfish(family.tree(), family.behaviour, family.system)) as bmc:
        yield family, bmc


@pytest.fixture
def driver(
    simulated: tuple[Family, SimulatedRedfish], make_settings: MakeSettings, tmp_path: Path
) -> Iterator[RedfishBmc]:
    family, bmc = simulated
    write_credential(tmp_path / "credentials", PASSWORD, username=USER)
    settings = make_settings(bmc_credentials_dir=tmp_path / "credentials")
    made = RedfishBmc(run_of(bmc, bmc=bmc.address + family.address), settings, sleep=lambda _s: None)
    yield made
    made.close()


def run_of(simulated: SimulatedRedfish, **changes: Any) -> Run:
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


@pytest.mark.parametrize("simulated", BOOTING, ids=str, indirect=True)
def test_the_machine_boots_our_image_and_is_left_as_it_was(
    simulated: tuple[Family, SimulatedRedfish], driver: RedfishBmc
) -> None:
    family, bmc = simulated
    before = bmc.media
    mode = bmc.boot.get("BootSourceOverrideMode")

    assert driver.identity().system_path == family.system
    written(driver, lambda permit: driver.insert_media(MEDIA, permit))
    assert bmc.media[family.used] == IMAGE
    written(driver, driver.power_off)
    assert driver.power_state() == bmc.power == "Off"
    written(driver, lambda permit: driver.set_boot_once("cd", permit))
    assert bmc.boot["BootSourceOverrideTarget"] == family.target
    assert bmc.boot.get("BootSourceOverrideMode") == mode
    written(driver, driver.power_on)
    assert driver.power_state() == "On"
    assert bmc.booted == [IMAGE]

    written(driver, lambda permit: driver.eject_media(OWN, permit))
    written(driver, driver.restore_boot)
    assert bmc.media == before
    assert bmc.boot["BootSourceOverrideEnabled"] == "Disabled"


@pytest.mark.parametrize("simulated", BOOTING, ids=str, indirect=True)
def test_an_override_that_no_boot_used_is_taken_back_where_it_was_set(
    simulated: tuple[Family, SimulatedRedfish], driver: RedfishBmc
) -> None:
    _family, bmc = simulated
    written(driver, driver.power_off)
    written(driver, lambda permit: driver.set_boot_once("cd", permit))
    assert bmc.boot["BootSourceOverrideEnabled"] == "Once"
    written(driver, driver.restore_boot)
    assert bmc.boot["BootSourceOverrideEnabled"] == "Disabled"


@pytest.mark.parametrize("simulated", REFUSING, ids=str, indirect=True)
def test_what_cannot_work_ends_with_its_reason(simulated: tuple[Family, SimulatedRedfish], driver: RedfishBmc) -> None:
    family, bmc = simulated
    with pytest.raises((BmcRejected, BmcUnavailable), match=family.says) as error:
        written(driver, lambda permit: driver.insert_media(MEDIA, permit))
    assert isinstance(error.value, BmcRejected | BmcUnavailable)
    assert error.value.reason == family.reason
    assert SECRET not in str(error.value)
    assert bmc.booted == []


@pytest.mark.parametrize("simulated", [f for f in FAMILIES if f.name == "NVIDIA GB300"], ids=str, indirect=True)
def test_of_several_systems_none_is_guessed(
    simulated: tuple[Family, SimulatedRedfish], make_settings: MakeSettings, driver: RedfishBmc, tmp_path: Path
) -> None:
    _family, bmc = simulated
    settings = make_settings(bmc_credentials_dir=tmp_path / "credentials")
    undecided = RedfishBmc(run_of(bmc), settings, sleep=lambda _s: None)
    with pytest.raises(BmcRejected, match=r"2 systems .*HGX_Baseboard_0 .*S-HGX.*System_0 .*S-System_0"):
        undecided.power_state()
    undecided.close()
    assert bmc.writes == []
