"""Each family through the real driver: identity, insert and read back, off, override, on, and clean-up."""

import pytest

from bringup.errors import BmcRejected, BmcUnavailable
from bringup.settings import Settings
from tests.integration.redfish.matrix.conftest import IMAGE, MEDIA, OWN, SECRET, Simulated, run_of, written
from tests.integration.redfish.matrix.families import FAMILIES
from workers.redfish import RedfishBmc

BOOTING = [family for family in FAMILIES if not family.reason]
REFUSING = [family for family in FAMILIES if family.reason]


@pytest.mark.parametrize("simulated", BOOTING, ids=str, indirect=True)
def test_the_machine_boots_our_image_and_is_left_as_it_was(simulated: Simulated, driver: RedfishBmc) -> None:
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
def test_an_override_that_no_boot_used_is_taken_back_where_it_was_set(simulated: Simulated, driver: RedfishBmc) -> None:
    _family, bmc = simulated
    written(driver, driver.power_off)
    written(driver, lambda permit: driver.set_boot_once("cd", permit))
    assert bmc.boot["BootSourceOverrideEnabled"] == "Once"
    written(driver, driver.restore_boot)
    assert bmc.boot["BootSourceOverrideEnabled"] == "Disabled"


@pytest.mark.parametrize("simulated", REFUSING, ids=str, indirect=True)
def test_what_cannot_work_ends_with_its_reason(simulated: Simulated, driver: RedfishBmc) -> None:
    family, bmc = simulated
    with pytest.raises((BmcRejected, BmcUnavailable), match=family.detail) as error:
        written(driver, lambda permit: driver.insert_media(MEDIA, permit))
    assert isinstance(error.value, BmcRejected | BmcUnavailable)
    assert error.value.reason == family.reason
    assert SECRET not in str(error.value)
    assert bmc.booted == []


@pytest.mark.parametrize("simulated", [f for f in FAMILIES if f.name == "NVIDIA GB300"], ids=str, indirect=True)
def test_of_several_systems_none_is_guessed(simulated: Simulated, settings: Settings) -> None:
    _family, bmc = simulated
    undecided = RedfishBmc(run_of(bmc), settings, sleep=lambda _s: None)
    with pytest.raises(BmcRejected, match=r"2 systems .*HGX_Baseboard_0 .*S-HGX.*System_0 .*S-System_0"):
        undecided.power_state()
    undecided.close()
    assert bmc.writes == []


@pytest.mark.parametrize("simulated", [f for f in FAMILIES if f.name == "NVIDIA GB300"], ids=str, indirect=True)
@pytest.mark.parametrize(
    ("record", "is_found"),
    [
        ({"serial": "s-system_0"}, True),
        ({"uuid": "4C4C4544-0001-4001-8001-B4C04F000001"}, True),
        ({"serial": "S"}, False),
    ],
)
def test_the_system_of_the_machine_is_found_by_serial_or_uuid(
    simulated: Simulated, settings: Settings, record: dict[str, str], *, is_found: bool
) -> None:
    family, bmc = simulated
    driver = RedfishBmc(run_of(bmc, **record), settings, sleep=lambda _s: None)
    if is_found:
        assert driver.identity().system_path == family.system
    else:
        with pytest.raises(BmcRejected, match="2 systems behind this BMC"):
            driver.identity()
    driver.close()


@pytest.mark.parametrize("simulated", [f for f in FAMILIES if "session limit" in f.name], ids=str, indirect=True)
def test_a_session_limit_without_basic_is_no_wrong_password(simulated: Simulated, driver: RedfishBmc) -> None:
    _family, bmc = simulated
    bmc.refuses_basic = True
    with pytest.raises(BmcUnavailable, match="RAC0218"):
        driver.power_state()


@pytest.mark.parametrize("simulated", [f for f in FAMILIES if f.name == "HPE iLO 5"], ids=str, indirect=True)
def test_a_second_on_that_is_refused_because_the_machine_is_on_is_no_failure(
    simulated: Simulated, driver: RedfishBmc
) -> None:
    written(driver, driver.power_on)
    assert driver.power_state() == "On"
    assert [body["ResetType"] for method, path, body in simulated[1].log if path.endswith("Reset")] == ["On"]
