"""Which system is the machine, whatever the BMC lists and however the address is written; no write reaches another."""

from typing import Any

import pytest

from bringup.errors import BmcRejected, BmcUnavailable
from bringup.model import FailureReason
from bringup.settings import Settings
from tests.integration.redfish.matrix.conftest import IMAGE, MEDIA, Simulated, boot_it, run_of, written
from tests.integration.redfish.matrix.families import FAMILIES
from tests.integration.redfish.matrix.server import SimulatedRedfish
from tests.integration.redfish.matrix.trees import ROOT, collection, link, reset
from workers.redfish import RedfishBmc

NAMED = {family.name: family for family in FAMILIES}
ILO = pytest.mark.parametrize("simulated", [NAMED["HPE iLO 5"]], ids=str, indirect=True)
SYSTEMS, OTHER = f"{ROOT}/Systems", f"{ROOT}/Systems/2"


def driver_of(simulated: SimulatedRedfish, settings: Settings, **changes: Any) -> RedfishBmc:
    return RedfishBmc(run_of(simulated, **changes), settings, sleep=lambda _s: None)


def add_a_second_system(bmc: SimulatedRedfish) -> None:
    bmc.tree[SYSTEMS] = collection(SYSTEMS, [f"{SYSTEMS}/1", OTHER])
    bmc.tree[OTHER] = link(OTHER) | {"Id": "2", "SerialNumber": "S-2", "PowerState": "On", "Actions": reset(OTHER)}


@ILO
@pytest.mark.parametrize(
    "path", ["", "/", "/redfish/v1", "/redfish/v1/", "/redfish/v1/Systems", "/redfish/v1/Systems/"]
)
def test_an_address_that_names_no_system_means_the_only_one(
    simulated: Simulated, settings: Settings, path: str
) -> None:
    _family, bmc = simulated
    boot_it(driver_of(bmc, settings, bmc=bmc.address + path))
    assert bmc.booted == [IMAGE]


@ILO
@pytest.mark.parametrize("path", ["/redfish/v1/Systems/1", "/redfish/v1/Systems/1/", "/redfish/v1/systems/%31"])
def test_a_system_is_asked_for_as_the_bmc_itself_writes_it(
    simulated: Simulated, settings: Settings, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """An iLO answers with a redirect where the slash at the end is missing."""
    _family, bmc = simulated
    bmc.tree[SYSTEMS] = collection(SYSTEMS, [f"{SYSTEMS}/1/"])
    real = bmc.answer

    def strict(method: str, asked: str, headers: dict[str, str], body: Any) -> Any:
        is_other = asked.rstrip("/").casefold() == f"{SYSTEMS}/1".casefold() and asked != f"{SYSTEMS}/1/"
        return (308, {"Location": f"{asked}/"}, None) if is_other else real(method, asked, headers, body)

    monkeypatch.setattr(bmc, "answer", strict)
    boot_it(driver_of(bmc, settings, bmc=bmc.address + path))
    assert bmc.booted == [IMAGE]


@ILO
def test_an_address_that_names_something_else_is_refused(simulated: Simulated, settings: Settings) -> None:
    _family, bmc = simulated
    bmc.tree[f"{ROOT}/Chassis/1"] = {"@odata.type": "#Chassis.v1_14_0.Chassis", "PowerState": "On"}
    with pytest.raises(BmcRejected, match=r"/redfish/v1/Chassis/1 is no system; .*/redfish/v1/Systems/1"):
        driver_of(bmc, settings, bmc=f"{bmc.address}/redfish/v1/Chassis/1").connect()
    assert bmc.writes == []


@ILO
def test_a_bmc_that_lists_no_system_yet_is_asked_again_later(simulated: Simulated, settings: Settings) -> None:
    _family, bmc = simulated
    bmc.tree[SYSTEMS] = collection(SYSTEMS, [])
    with pytest.raises(BmcUnavailable, match="lists no system"):
        driver_of(bmc, settings).connect()
    bmc.tree[SYSTEMS] = collection(SYSTEMS, [f"{SYSTEMS}/1"])
    boot_it(driver_of(bmc, settings))
    assert bmc.booted == [IMAGE]


@ILO
def test_a_system_that_is_listed_in_two_spellings_is_one(simulated: Simulated, settings: Settings) -> None:
    _family, bmc = simulated
    bmc.tree[SYSTEMS] = collection(SYSTEMS, [f"{SYSTEMS}/1", f"{SYSTEMS}/1/"])
    boot_it(driver_of(bmc, settings))
    assert bmc.booted == [IMAGE]


@ILO
def test_the_only_one_of_two_systems_that_can_be_read_is_not_taken_for_the_machine(
    simulated: Simulated, settings: Settings
) -> None:
    _family, bmc = simulated
    add_a_second_system(bmc)
    del bmc.tree[OTHER]
    with pytest.raises(BmcRejected, match=r"2 systems .*/redfish/v1/Systems/1 .*; /redfish/v1/Systems/2"):
        driver_of(bmc, settings).connect()


@ILO
def test_the_managers_of_other_systems_hold_no_medium_for_this_one(simulated: Simulated, settings: Settings) -> None:
    _family, bmc = simulated
    add_a_second_system(bmc)
    bmc.tree[f"{SYSTEMS}/1"]["Links"] = {}
    bmc.tree[f"{ROOT}/Managers/1"]["Links"] = {"ManagerForServers": [link(OTHER)]}
    driver = driver_of(bmc, settings, serial="S-1")
    with pytest.raises(BmcRejected) as error:
        written(driver, lambda permit: driver.insert_media(MEDIA, permit))
    assert error.value.reason == FailureReason.MEDIA_REJECTED
    assert bmc.writes == []


@ILO
@pytest.mark.parametrize("system", ["2", "1/../2"])
def test_a_link_that_leads_to_another_system_is_not_written_to(
    simulated: Simulated, settings: Settings, system: str
) -> None:
    _family, bmc = simulated
    add_a_second_system(bmc)
    action = bmc.tree[f"{SYSTEMS}/1"]["Actions"]["#ComputerSystem.Reset"]
    action["target"] = f"{SYSTEMS}/{system}/Actions/ComputerSystem.Reset"
    driver = driver_of(bmc, settings, serial="S-1")
    with pytest.raises(BmcRejected, match="leads to another system"):
        written(driver, driver.power_off)
    assert bmc.writes == []
