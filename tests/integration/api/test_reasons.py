"""Every reason of the closed list can really arise through the API, and there is no other."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bringup.model import FailureReason
from bringup.settings import Settings
from bringup.wire.machine import AREA_HEAD, AREA_SIZE
from bringup_cli.simulate.hardware_report import Fault
from tests.integration.api.conftest import INVENTORY, RUN_A, Api
from tests.integration.api.test_tls_failure import failure, post

REAL = RUN_A.replace("00-00-00-01", "00-00-00-05")
REAL_MACHINE = '[[device]]\nname = "real"\nbmc_mac = "02:00:00:00:00:05"\nbmc = "https://10.0.0.5"\n'
BEAT = {"boot_id": "b1", "uptime_s": 1.0}
Ending = Callable[[Api], str]


def boot_fails(reason: FailureReason) -> Ending:
    """The worker says why: it alone speaks to the BMC."""

    def end(api: Api) -> str:
        api.lease()
        api.tell(RUN_A, "boot_started")
        api.tell(RUN_A, "boot_failed", reason=reason.value, detail="as the BMC said")
        return RUN_A

    return end


def distrusts(reason: FailureReason) -> Ending:
    def end(api: Api) -> str:
        token = api.booted()
        post(api, failure(token, reason=reason.value))
        return RUN_A

    return end


def time_is_up(api: Api, run_id: str) -> str:
    time.sleep(1.1)  # the settings of these tests leave each step one second
    assert api.tell(run_id, "deadline").status_code == 202
    return run_id


def nobody_reads_the_image(api: Api) -> str:
    api.booted(REAL, read=False)
    return time_is_up(api, REAL)


def it_stays_silent(api: Api) -> str:
    api.booted()
    return time_is_up(api, RUN_A)


def it_falls_silent(api: Api) -> str:
    api.call("POST", f"/runs/{RUN_A}/heartbeat", BEAT, api.booted())
    return time_is_up(api, RUN_A)


def it_bears_another_token(api: Api) -> str:
    api.booted()
    api.call("POST", f"/runs/{RUN_A}/heartbeat", BEAT, "another-token")
    return time_is_up(api, RUN_A)


def it_is_not_what_was_expected(api: Api) -> str:
    api.call("POST", f"/runs/{RUN_A}/report", api.report(fault=Fault.WRONG_MEMORY), api.booted())
    return RUN_A


def another_machine_answers(api: Api) -> str:
    api.inventory.write_text(INVENTORY + REAL_MACHINE + 'serial = "A1"\n')
    api.lease(REAL)
    api.tell(REAL, "boot_started")
    api.tell(REAL, "machine_identified", identity={"serial": "B2"})
    return REAL


def no_worker_goes_on(api: Api) -> str:
    api.lease()
    api.tell(RUN_A, "boot_started")
    return time_is_up(api, RUN_A)


def the_operator_ends_it(api: Api) -> str:
    api.lease()
    api.ok("POST", f"/runs/{RUN_A}/abort", {})
    return RUN_A


ENDINGS: dict[FailureReason, Ending] = {
    FailureReason.BMC_UNREACHABLE: boot_fails(FailureReason.BMC_UNREACHABLE),
    FailureReason.BMC_AUTH: boot_fails(FailureReason.BMC_AUTH),
    FailureReason.MEDIA_REJECTED: boot_fails(FailureReason.MEDIA_REJECTED),
    FailureReason.MEDIA_NOT_READ: nobody_reads_the_image,
    FailureReason.NO_BOOT: it_stays_silent,
    FailureReason.NO_NETWORK: it_falls_silent,
    FailureReason.TLS_CLOCK: distrusts(FailureReason.TLS_CLOCK),
    FailureReason.TLS_TRUST: distrusts(FailureReason.TLS_TRUST),
    FailureReason.CALLBACK_REFUSED: it_bears_another_token,
    FailureReason.CHECK_FAILED: it_is_not_what_was_expected,
    FailureReason.WORKER_LOST: no_worker_goes_on,
    FailureReason.WRONG_MACHINE: another_machine_answers,
    FailureReason.ABORTED: the_operator_ends_it,
}


@pytest.fixture
def hasty(settings: Settings, make_api: Callable[[Settings], Api], tmp_path: Path) -> Api:
    """An API that serves an image, and whose runs have a second for each step."""
    image = tmp_path / "validation.iso"
    image.write_bytes(bytes(32_768) + AREA_HEAD.ljust(AREA_SIZE))
    limits = {"boot_timeout_s": 1, "run_timeout_s": 1, "heartbeat_lost_s": 1}
    api = make_api(settings.model_copy(update=limits | {"validation_image": image}))
    api.inventory.write_text(INVENTORY + REAL_MACHINE)
    return api


def test_the_list_is_closed() -> None:
    assert set(ENDINGS) == set(FailureReason)


@pytest.mark.parametrize("reason", ENDINGS)
def test_each_reason_arises(hasty: Api, reason: FailureReason) -> None:
    run = hasty.run(ENDINGS[reason](hasty))
    assert run["reason"] == reason.value
    assert run["state"] in {"failed", "timed_out", "aborted"}
    assert run["detail"]
    assert hasty.jobs()["finishes"] == 1
