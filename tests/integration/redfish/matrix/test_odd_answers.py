"""Answers that no schema foresees, where the driver once tripped over them."""

from typing import Any

import pytest

from tests.integration.redfish.matrix.behaviour import Answer, refusal
from tests.integration.redfish.matrix.conftest import IMAGE, Simulated, boot_it
from tests.integration.redfish.matrix.families import FAMILIES
from workers.redfish import RedfishBmc

NAMED = {family.name: family for family in FAMILIES}
INFO = "/redfish/v1/Managers/bmc/VirtualMedia/Slot_0/InsertMediaActionInfo"


@pytest.mark.parametrize("simulated", [NAMED["OpenBMC"]], ids=str, indirect=True)
@pytest.mark.parametrize("parameters", [5, "x", True, {"Name": "Image"}, [5, None]])
def test_a_description_of_an_action_in_another_form_is_ignored(
    simulated: Simulated, driver: RedfishBmc, parameters: Any
) -> None:
    _family, bmc = simulated
    bmc.tree[INFO]["Parameters"] = parameters
    boot_it(driver)
    assert bmc.booted == [IMAGE]


@pytest.mark.parametrize("simulated", [NAMED["Supermicro X13"]], ids=str, indirect=True)
@pytest.mark.parametrize("answer", [None, refusal(503, "ServiceTemporarilyUnavailable"), refusal(429, "GeneralError")])
def test_a_task_that_cannot_be_asked_for_a_moment_has_not_failed(
    simulated: Simulated, driver: RedfishBmc, monkeypatch: pytest.MonkeyPatch, answer: Answer | None
) -> None:
    _family, bmc = simulated
    real, asked = bmc.answer, []

    def sometimes(method: str, path: str, headers: dict[str, str], body: Any) -> Answer | None:
        if "/Tasks/" in path:
            asked.append(path)
            if len(asked) % 2:
                return answer
        return real(method, path, headers, body)

    monkeypatch.setattr(bmc, "answer", sometimes)
    boot_it(driver)
    assert bmc.booted == [IMAGE]
    inserts = [path for method, path, _ in bmc.writes if path.endswith("InsertMedia")]
    assert len(inserts) == 1
