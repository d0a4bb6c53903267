"""A BMC that answers a read later than we wait for it: the read is tried again by itself, and no write ever is."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bringup.errors import BmcUnavailable
from bringup.model import boot_clock
from tests.conftest import MakeSettings
from tests.integration.redfish.conftest import NEVER_COMES_S, write_credential
from tests.integration.redfish.matrix.behaviour import Answer
from tests.integration.redfish.matrix.conftest import Simulated, run_of
from tests.integration.redfish.matrix.families import FAMILIES
from tests.integration.redfish.matrix.server import PASSWORD, USER, SimulatedRedfish
from workers.bmc import Permit
from workers.redfish import RedfishBmc

ILO = [family for family in FAMILIES if family.name == "HPE iLO 5"]
_GIVEN_UP_S = 60.0


class Late:
    """Keeps the first answer to a request back until the same request comes again, or the test is over."""

    def __init__(self, bmc: SimulatedRedfish, method: str, path: str) -> None:
        self._real = bmc.answer
        self._wanted = (method, path)
        self.again = threading.Event()
        self.count = 0

    def __call__(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer | None:
        if (method, path.rstrip("/")) != self._wanted:
            return self._real(method, path, headers, body)
        self.count += 1
        answer = self._real(method, path, headers, body)
        if self.count > 1:
            self.again.set()
        else:
            self.again.wait(_GIVEN_UP_S)
        return answer


@pytest.fixture
def impatient(simulated: Simulated, make_settings: MakeSettings, tmp_path: Path) -> Iterator[RedfishBmc]:
    write_credential(tmp_path / "credentials", PASSWORD, username=USER)
    settings = make_settings(bmc_credentials_dir=tmp_path / "credentials", bmc_read_timeout_s=NEVER_COMES_S)
    made = RedfishBmc(run_of(simulated[1]), settings, sleep=lambda _s: None)
    yield made
    made.close()


@pytest.mark.parametrize("simulated", ILO, ids=str, indirect=True)
def test_a_read_that_is_answered_too_late_is_tried_again(
    simulated: Simulated, impatient: RedfishBmc, monkeypatch: pytest.MonkeyPatch
) -> None:
    family, bmc = simulated
    late = Late(bmc, "GET", family.system)
    monkeypatch.setattr(bmc, "answer", late)
    assert impatient.power_state() == "On"
    assert late.again.is_set()


@pytest.mark.parametrize("simulated", ILO, ids=str, indirect=True)
def test_a_switch_that_is_answered_too_late_is_not_sent_again(
    simulated: Simulated, impatient: RedfishBmc, monkeypatch: pytest.MonkeyPatch
) -> None:
    family, bmc = simulated
    impatient.connect()
    late = Late(bmc, "POST", f"{family.system}/Actions/ComputerSystem.Reset")
    monkeypatch.setattr(bmc, "answer", late)
    with pytest.raises(BmcUnavailable, match="timed out"):
        impatient.power_off(Permit("test", boot_clock() + 600))
    late.again.set()
    assert late.count == 1
    assert bmc.power == "Off"
