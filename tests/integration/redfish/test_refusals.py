"""Every way in which a BMC refuses or stays silent, and the reason that the run gets for it."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bringup.errors import BmcRejected, BmcUnavailable
from bringup.model import FailureReason
from tests.conftest import MakeSettings, free_port
from tests.integration.redfish.conftest import (
    NEVER_COMES_S,
    OWN,
    PERMIT,
    Emulator,
    MakeBmc,
    media_of,
    run_on,
    write_credential,
)
from tests.integration.redfish.emulator import PASSWORD, SESSIONS, SYSTEM
from workers.redfish import RedfishBmc
from workers.redfish.connection import READ_TRIES

INSERT, EJECT = "VirtualMedia.InsertMedia", "VirtualMedia.EjectMedia"


def test_an_absent_bmc_is_unreachable(make_bmc: MakeBmc) -> None:
    with pytest.raises(BmcUnavailable, match="refused") as error:
        make_bmc(bmc=f"https://127.0.0.1:{free_port()}").power_state()
    assert error.value.reason == FailureReason.BMC_UNREACHABLE


def test_a_bmc_that_does_not_answer_in_time_is_asked_once(emulator: Emulator, make_bmc: MakeBmc) -> None:
    bmc = make_bmc(timeout_s=NEVER_COMES_S)
    bmc.power_state()
    emulator.fail(slow=["ComputerSystem.Reset"])
    with pytest.raises(BmcUnavailable, match="timed out"):
        bmc.power_on(PERMIT)
    assert [line for line in emulator.seen["log"] if line.endswith("Reset")] == [
        f"POST {SYSTEM}/Actions/ComputerSystem.Reset"
    ]


@pytest.fixture
def silent(emulator: Emulator, make_bmc: MakeBmc) -> Iterator[tuple[socket.socket, str]]:
    """A port that accepts connections and never sends a byte, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as port:
        yield port, f"https://127.0.0.1:{port.getsockname()[1]}"


def test_a_bmc_that_keeps_silent_is_unreachable_when_its_time_is_up(
    silent: tuple[socket.socket, str], make_bmc: MakeBmc
) -> None:
    with pytest.raises(BmcUnavailable, match="timed out"):
        make_bmc(bmc=silent[1], timeout_s=1).power_state()


def test_a_bmc_that_keeps_silent_holds_up_no_other(
    silent: tuple[socket.socket, str],
    emulator: Emulator,
    bmc: RedfishBmc,
    make_settings: MakeSettings,
    credentials: Path,
) -> None:
    port, address = silent
    settings = make_settings(bmc_credentials_dir=credentials, bmc_connect_timeout_s=30)
    other = RedfishBmc(run_on(emulator, bmc=address), settings)
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(other.power_state)
        with port.accept()[0]:
            assert bmc.power_state() == "Off"
            assert not asked.done()
            port.close()  # and what it has accepted: nothing is left to wait for
        assert isinstance(asked.exception(), BmcUnavailable)


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_read_that_fails_is_tried_again_by_itself(emulator: Emulator, bmc: RedfishBmc, status: int) -> None:
    emulator.refuse("GET", SYSTEM, status, times=READ_TRIES - 1)
    assert bmc.power_state() == "Off"


@pytest.mark.parametrize("status", [500, 502, 503, 409, 429])
def test_a_bmc_that_stays_busy_is_tried_again_later(emulator: Emulator, bmc: RedfishBmc, status: int) -> None:
    emulator.refuse("GET", SYSTEM, status, times=READ_TRIES)
    with pytest.raises(BmcUnavailable, match=str(status)):
        bmc.power_state()
    emulator.fail()
    assert bmc.power_state() == "Off"


@pytest.mark.parametrize("status", [500, 503, 409])
def test_a_write_that_fails_is_never_repeated_by_itself(emulator: Emulator, bmc: RedfishBmc, status: int) -> None:
    emulator.refuse("POST", "ComputerSystem.Reset", status)
    with pytest.raises(BmcUnavailable, match=str(status)):
        bmc.power_on(PERMIT)
    assert len([line for line in emulator.seen["log"] if line.endswith("ComputerSystem.Reset")]) == 1


def test_a_page_for_people_is_an_answer_of_a_bmc_that_starts(emulator: Emulator, bmc: RedfishBmc) -> None:
    emulator.refuse("GET", SYSTEM, 200, page="<h1>Starting</h1>", times=READ_TRIES)
    with pytest.raises(BmcUnavailable, match="not Redfish"):
        bmc.power_state()


@pytest.mark.parametrize("status", [503, 400, 403])
def test_a_bmc_with_too_many_sessions_is_spoken_to_with_basic_authentication_and_it_is_logged(
    emulator: Emulator, bmc: RedfishBmc, status: int
) -> None:
    emulator.refuse("POST", SESSIONS, status, "SessionLimitExceeded")
    with capture_logs() as logged:
        assert bmc.power_state() == "Off"
    assert [line["why"] for line in logged if line["event"] == "Basic authentication is used"] == [
        "the BMC opens no session: This BMC says SessionLimitExceeded"
    ]


def test_a_wrong_password_is_refused_and_tried_once(emulator: Emulator, bmc: RedfishBmc, credentials: Path) -> None:
    write_credential(credentials, "another word")
    before = emulator.seen["logins"]
    with pytest.raises(BmcRejected, match="401") as error:
        bmc.power_state()
    assert error.value.reason == FailureReason.BMC_AUTH
    assert emulator.seen["logins"] - before == 1
    assert "another word" not in str(error.value)


def test_a_wrong_password_without_sessions_is_refused_too(
    emulator: Emulator, bmc: RedfishBmc, credentials: Path
) -> None:
    emulator.fail(no_sessions=True)
    write_credential(credentials, "another word")
    with pytest.raises(BmcRejected) as error:
        bmc.power_state()
    assert error.value.reason == FailureReason.BMC_AUTH


def test_an_account_without_the_right_is_refused(emulator: Emulator, bmc: RedfishBmc) -> None:
    emulator.refuse("POST", INSERT, 403, "InsufficientPrivilege")
    with pytest.raises(BmcRejected, match="InsufficientPrivilege") as error:
        bmc.insert_media(media_of(emulator), PERMIT)
    assert error.value.reason == FailureReason.BMC_AUTH


def test_a_session_that_the_bmc_has_ended_is_tried_again(emulator: Emulator, bmc: RedfishBmc) -> None:
    bmc.power_state()
    emulator.refuse("GET", SYSTEM, 401, "NoValidSession")
    with pytest.raises(BmcUnavailable, match="session has ended"):
        bmc.power_state()


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_refused_media_are_rejected(emulator: Emulator, bmc: RedfishBmc, status: int) -> None:
    emulator.refuse("POST", INSERT, status, "ActionParameterNotSupported")
    with pytest.raises(BmcRejected) as error:
        bmc.insert_media(media_of(emulator), PERMIT)
    assert error.value.reason == FailureReason.MEDIA_REJECTED


def test_an_image_that_is_not_there_is_rejected(emulator: Emulator, bmc: RedfishBmc) -> None:
    missing = media_of(emulator, image_url=f"{emulator.address}/redfish/v1/nothing.iso")
    with pytest.raises(BmcRejected, match="insert") as error:
        bmc.insert_media(missing, PERMIT)
    assert error.value.reason == FailureReason.MEDIA_REJECTED


def test_a_medium_that_was_accepted_and_is_not_in_is_media_rejected_in_the_end(
    emulator: Emulator, bmc: RedfishBmc
) -> None:
    emulator.fail(fetches_nothing=True)
    with pytest.raises(BmcUnavailable, match="holds nothing") as error:
        bmc.insert_media(media_of(emulator), PERMIT)
    assert error.value.reason == FailureReason.MEDIA_REJECTED


def test_another_medium_in_the_drive_is_not_taken_for_ours(emulator: Emulator, bmc: RedfishBmc) -> None:
    bmc.insert_media(media_of(emulator, image_url=f"{emulator.address}/images/other.iso"), PERMIT)
    with pytest.raises(BmcRejected, match=r"not ours .*other\.iso") as error:
        bmc.insert_media(media_of(emulator), PERMIT)
    assert error.value.reason == FailureReason.MEDIA_REJECTED
    assert emulator.ask("/VirtualMedia/Cd")["Image"].endswith("other.iso")


def test_a_stuck_medium_is_reported_after_two_tries(emulator: Emulator, bmc: RedfishBmc) -> None:
    bmc.insert_media(media_of(emulator), PERMIT)
    emulator.fail(stuck=True)
    with pytest.raises(BmcUnavailable, match="stuck") as error:
        bmc.eject_media(OWN, PERMIT)
    assert error.value.reason == FailureReason.MEDIA_REJECTED
    assert len([line for line in emulator.seen["log"] if line.endswith(EJECT)]) == 2


@pytest.mark.parametrize("status", [404, 500])
def test_an_eject_that_fails_once_is_tried_again(
    emulator: Emulator, bmc: RedfishBmc, make_bmc: MakeBmc, status: int
) -> None:
    bmc.insert_media(media_of(emulator), PERMIT)
    emulator.refuse("POST", EJECT, status, times=1)
    make_bmc().eject_media(OWN, PERMIT)
    assert not emulator.ask("/VirtualMedia/Cd")["Inserted"]


def test_an_override_that_was_forgotten_is_set_again(emulator: Emulator, bmc: RedfishBmc) -> None:
    emulator.fail(forgets_override=1)
    bmc.set_boot_once("cd", PERMIT)
    assert emulator.seen["override"]["BootSourceOverrideEnabled"] == "Once"


def test_an_override_that_reads_back_differently_ends_the_run_as_no_boot(emulator: Emulator, bmc: RedfishBmc) -> None:
    emulator.fail(forgets_override=2)
    with pytest.raises(BmcRejected, match="reads back as Disabled") as error:
        bmc.set_boot_once("cd", PERMIT)
    assert error.value.reason == FailureReason.NO_BOOT


def test_a_refused_reset_ends_the_run_as_no_boot(emulator: Emulator, bmc: RedfishBmc) -> None:
    emulator.refuse("POST", "ComputerSystem.Reset", 400, "ActionNotSupported")
    with pytest.raises(BmcRejected) as error:
        bmc.power_on(PERMIT)
    assert error.value.reason == FailureReason.NO_BOOT


@pytest.mark.parametrize(
    "trust", [{"bmc_ca": None}, {"bmc_ca": "foreign"}, {"bmc_ca": None, "bmc_fingerprint": "0" * 64}]
)
def test_a_certificate_that_is_not_trusted_is_refused_before_anything_is_sent(
    emulator: Emulator, make_bmc: MakeBmc, trust: dict[str, Any]
) -> None:
    if trust["bmc_ca"]:
        trust = {"bmc_ca": str(emulator.foreign_ca)}
    with pytest.raises(BmcRejected, match="certificate that is not trusted") as error:
        make_bmc(**trust).power_state()
    assert error.value.reason == FailureReason.BMC_AUTH
    assert emulator.seen["log"] == []


def test_a_certificate_for_another_host_is_refused(emulator: Emulator, make_bmc: MakeBmc) -> None:
    elsewhere = emulator.address.replace("127.0.0.1", "localhost")
    with pytest.raises(BmcRejected, match="certificate that is not trusted"):
        make_bmc(bmc=elsewhere).power_state()


def test_a_pinned_certificate_is_trusted_whatever_ca_signed_it(emulator: Emulator, make_bmc: MakeBmc) -> None:
    assert make_bmc(bmc_ca=None, bmc_fingerprint=emulator.fingerprint).power_state() == "Off"


def test_a_check_that_is_switched_off_is_logged(make_bmc: MakeBmc) -> None:
    with capture_logs() as logged:
        assert make_bmc(bmc_ca=None, bmc_verify=False).power_state() == "Off"
    assert [line["log_level"] for line in logged if "INSECURE" in line["event"]] == ["warning"]


def test_a_ca_file_that_is_not_there_is_named(make_bmc: MakeBmc) -> None:
    with pytest.raises(BmcRejected, match=r"nowhere\.pem") as error:
        make_bmc(bmc_ca="nowhere.pem").power_state()
    assert error.value.reason == FailureReason.BMC_AUTH


@pytest.mark.parametrize("path", [SYSTEM, "/redfish/v1/", SESSIONS])
def test_a_redirect_is_never_followed(emulator: Emulator, bmc: RedfishBmc, path: str) -> None:
    method = "POST" if path == SESSIONS else "GET"
    emulator.refuse(method, path, 307, location=f"{emulator.address}/images/trap")
    with pytest.raises(BmcRejected, match="redirect") as error:
        bmc.power_state()
    assert error.value.reason == FailureReason.BMC_UNREACHABLE
    assert PASSWORD not in str(error.value)


def test_without_an_image_the_missing_setting_is_named(emulator: Emulator, bmc: RedfishBmc) -> None:
    with pytest.raises(BmcRejected, match="VALIDATION_IMAGE") as error:
        bmc.insert_media(media_of(emulator, image_url=None), PERMIT)
    assert error.value.reason == FailureReason.MEDIA_REJECTED


def test_a_network_boot_needs_no_image_of_ours(emulator: Emulator, make_bmc: MakeBmc) -> None:
    make_bmc(boot_method="pxe").insert_media(media_of(emulator, image_url=None), PERMIT)
