"""A slow BMC uses up permits: what was refused or read under the last one is not asked again under the next."""

from collections.abc import Callable

import pytest

from bringup.errors import PermitExpired
from tests.integration.redfish.matrix.conftest import IMAGE, MEDIA, Simulated, written
from tests.integration.redfish.matrix.families import FAMILIES
from workers.bmc import Permit
from workers.redfish import RedfishBmc

NAMED = {family.name: family for family in FAMILIES}


def permit_for(writes: int) -> Permit:
    """A permit that ends after so many looks at it: one of the recorder's, one before all writes, some for each."""
    looks = iter(range(10_000))
    return Permit("test", ends_at=float(2 + writes), clock=lambda: float(next(looks)))


def tried_until_done(driver: RedfishBmc, act: Callable[[Permit], None], writes: int) -> int:
    """How many permits it took."""
    for number in range(1, 20):
        driver.connect()
        try:
            act(permit_for(writes))
        except PermitExpired:
            continue
        return number
    raise AssertionError("it never came to an end")


@pytest.mark.parametrize("simulated", [NAMED["Lenovo XCC"]], ids=str, indirect=True)
def test_a_slot_that_refused_under_one_permit_is_not_asked_under_the_next(
    simulated: Simulated, driver: RedfishBmc
) -> None:
    _family, bmc = simulated
    assert tried_until_done(driver, lambda permit: driver.insert_media(MEDIA, permit), writes=3) > 1
    slots = [path.rpartition("/")[2] for method, path, _ in bmc.log if method == "PATCH"]
    assert slots == ["RDOC1", "RDOC2", "EXT1"]
    assert bmc.media["EXT1"] == IMAGE


@pytest.mark.parametrize("simulated", [NAMED["AMI FutureState"]], ids=str, indirect=True)
def test_what_was_read_for_a_write_is_not_read_again_for_the_next_permit(
    simulated: Simulated, driver: RedfishBmc
) -> None:
    family, bmc = simulated
    written(driver, driver.power_off)
    driver.connect()
    with pytest.raises(PermitExpired):
        driver.set_boot_once("cd", permit_for(0))
    bmc.log.clear()
    written(driver, lambda permit: driver.set_boot_once("cd", permit))
    before_the_patch = [path for method, path, _ in bmc.log[: [line[0] for line in bmc.log].index("PATCH")]]
    assert before_the_patch == [family.system], "only whether it is the same machine, before the permit"
