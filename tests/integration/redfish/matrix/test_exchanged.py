"""What is exchanged between two requests of one job, the machine or the medium, is seen before the next write."""

import pytest

from bringup.errors import BmcBusy, BmcRejected
from bringup.model import FailureReason, boot_clock
from tests.integration.redfish.matrix.behaviour import refusal
from tests.integration.redfish.matrix.conftest import IMAGE, MEDIA, OWN, Simulated, written
from tests.integration.redfish.matrix.families import FAMILIES
from workers.bmc import Permit
from workers.redfish import RedfishBmc

NAMED = {family.name: family for family in FAMILIES}
RESCUE = "https://mirror.example/rescue.iso"
SLOT = "/redfish/v1/Managers/1/VirtualMedia/2"


@pytest.mark.parametrize("simulated", [NAMED["OpenBMC"], NAMED["HPE iLO 5"]], ids=str, indirect=True)
@pytest.mark.parametrize("change", [{"SerialNumber": "OTHER1"}, {"UUID": "4c4c4544-0001-4001-8001-b4c04f000009"}])
def test_a_machine_that_is_exchanged_during_a_job_gets_nothing_more(
    simulated: Simulated, driver: RedfishBmc, change: dict[str, str]
) -> None:
    family, bmc = simulated
    written(driver, lambda permit: driver.insert_media(MEDIA, permit))
    before = list(bmc.writes)
    bmc.tree[family.system] |= change
    with pytest.raises(BmcRejected, match="another machine answers") as error:
        written(driver, driver.power_off)
    assert error.value.reason == FailureReason.WRONG_MACHINE
    assert bmc.writes == before


@pytest.mark.parametrize("simulated", [NAMED["HPE iLO 5"]], ids=str, indirect=True)
def test_a_medium_that_is_exchanged_after_the_login_is_not_ejected(simulated: Simulated, driver: RedfishBmc) -> None:
    _family, bmc = simulated
    bmc.tree[SLOT] |= {"Inserted": True, "Image": IMAGE}
    driver.connect()
    driver.identity()
    bmc.tree[SLOT] |= {"Image": RESCUE}
    written(driver, lambda permit: driver.eject_media(OWN, permit))
    assert bmc.media == {"2": RESCUE}
    assert bmc.writes == []


@pytest.mark.parametrize("simulated", [NAMED["HPE iLO 5"]], ids=str, indirect=True)
def test_a_medium_that_is_exchanged_while_the_bmc_is_busy_is_not_ejected(
    simulated: Simulated, driver: RedfishBmc, monkeypatch: pytest.MonkeyPatch
) -> None:
    _family, bmc = simulated
    bmc.tree[SLOT] |= {"Inserted": True, "Image": IMAGE}
    real = bmc.answer

    def busy(method: str, path: str, headers: dict[str, str], body: object) -> object:
        is_eject = method == "POST" and path.endswith("EjectMedia")
        return refusal(409, "ResourceInUse") if is_eject else real(method, path, headers, body)

    driver.connect()
    monkeypatch.setattr(bmc, "answer", busy)
    with pytest.raises(BmcBusy):
        driver.eject_media(OWN, Permit("test", boot_clock() + 5))
    monkeypatch.setattr(bmc, "answer", real)
    bmc.tree[SLOT] |= {"Inserted": True, "Image": RESCUE}
    written(driver, lambda permit: driver.eject_media(OWN, permit))
    assert bmc.media == {"2": RESCUE}


@pytest.mark.parametrize("simulated", [NAMED["HPE iLO 5"]], ids=str, indirect=True)
def test_a_medium_that_a_person_puts_in_after_our_eject_is_not_ejected_as_one_that_is_stuck(
    simulated: Simulated, driver: RedfishBmc, monkeypatch: pytest.MonkeyPatch
) -> None:
    _family, bmc = simulated
    bmc.tree[SLOT] |= {"Inserted": True, "Image": IMAGE}
    real = bmc.answer

    def exchanging(method: str, path: str, headers: dict[str, str], body: object) -> object:
        answer = real(method, path, headers, body)
        if path.endswith("EjectMedia"):
            bmc.tree[SLOT] |= {"Inserted": True, "Image": RESCUE}
        return answer

    monkeypatch.setattr(bmc, "answer", exchanging)
    written(driver, lambda permit: driver.eject_media(OWN, permit))
    assert len(bmc.writes) == 1
    assert bmc.media == {"2": RESCUE}


@pytest.mark.parametrize("simulated", [NAMED["HPE iLO 5"]], ids=str, indirect=True)
def test_the_same_machine_that_shows_less_for_a_moment_is_no_other(simulated: Simulated, driver: RedfishBmc) -> None:
    family, bmc = simulated
    driver.connect()
    bmc.tree[family.system] |= {"SerialNumber": None, "UUID": "00000000-0000-0000-0000-000000000000"}
    written(driver, driver.power_off)
    assert bmc.power == "Off"
