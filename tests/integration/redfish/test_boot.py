"""What a BMC is made to do, seen at the emulator and not only in our own answers."""

import logging

import pytest
from requests.exceptions import InvalidSchema

from bringup.errors import BmcRejected, BmcUnavailable
from tests.integration.redfish.conftest import OWN, PERMIT, Emulator, MakeBmc, media_of
from tests.integration.redfish.emulator import PASSWORD, SYSTEM
from workers.redfish import RedfishBmc
from workers.redfish.connection import READ_TRIES

CD = "/VirtualMedia/Cd"


def test_the_image_is_inserted_and_ejected(emulator: Emulator, bmc: RedfishBmc) -> None:
    bmc.insert_media(media_of(emulator), PERMIT)
    found = emulator.ask(CD)
    assert (found["Inserted"], found["Image"]) == (True, emulator.image)
    assert bmc.holds_media(OWN)
    bmc.eject_media(OWN, PERMIT)
    assert not bmc.holds_media(OWN)
    assert not emulator.ask(CD)["Inserted"]


def test_the_machine_boots_the_disc_once_and_only_once(emulator: Emulator, bmc: RedfishBmc) -> None:
    bmc.set_boot_once("cd", PERMIT)
    assert emulator.seen["override"] == {
        "BootSourceOverrideEnabled": "Once",
        "BootSourceOverrideTarget": "Cd",
        "BootSourceOverrideMode": "UEFI",  # as it was
    }
    assert emulator.ask()["Boot"]["BootSourceOverrideTarget"] == "Cd"


@pytest.mark.parametrize(("method", "target"), [("uefi-http", "UefiHttp"), ("pxe", "Pxe")])
def test_machines_that_boot_from_the_network_need_no_disc(
    emulator: Emulator, make_bmc: MakeBmc, method: str, target: str
) -> None:
    bmc = make_bmc(boot_method=method)
    bmc.insert_media(media_of(emulator), PERMIT)
    assert not emulator.ask(CD)["Inserted"]
    bmc.set_boot_once(method, PERMIT)
    assert emulator.seen["override"]["BootSourceOverrideTarget"] == target
    assert emulator.seen["http_boot_uri"] == (emulator.image if method == "uefi-http" else None)


def test_an_override_that_was_not_used_is_taken_back(emulator: Emulator, bmc: RedfishBmc) -> None:
    bmc.set_boot_once("cd", PERMIT)
    assert bmc.has_boot_override()
    bmc.restore_boot(PERMIT)
    assert not bmc.has_boot_override()
    assert emulator.seen["override"]["BootSourceOverrideEnabled"] == "Disabled"


def test_an_override_that_was_used_is_left_alone(emulator: Emulator, bmc: RedfishBmc) -> None:
    assert not bmc.has_boot_override()
    bmc.restore_boot(PERMIT)
    assert f"PATCH {SYSTEM}" not in emulator.seen["log"]


def test_power_is_switched_and_read(emulator: Emulator, bmc: RedfishBmc) -> None:
    assert bmc.power_state() == "Off"
    bmc.power_on(PERMIT)
    assert bmc.power_state() == emulator.ask()["PowerState"] == "On"
    bmc.power_off(PERMIT)
    assert bmc.power_state() == emulator.ask()["PowerState"] == "Off"


def test_a_power_state_that_lags_is_reported_as_it_is(emulator: Emulator, bmc: RedfishBmc) -> None:
    emulator.fail(power_lag_s=3600)
    bmc.power_on(PERMIT)
    assert bmc.power_state() == "Off"


def test_an_empty_drive_is_not_ejected(emulator: Emulator, bmc: RedfishBmc) -> None:
    bmc.eject_media(OWN, PERMIT)
    assert not [line for line in emulator.seen["log"] if "EjectMedia" in line]


def test_media_under_the_manager_are_found_too(emulator: Emulator, bmc: RedfishBmc) -> None:
    emulator.fail(media_under_manager=True)
    bmc.insert_media(media_of(emulator), PERMIT)
    assert emulator.ask(CD)["Inserted"]
    assert any(line.startswith("GET /redfish/v1/Managers/") for line in emulator.seen["log"])


def test_an_address_may_name_one_system_of_many(emulator: Emulator, make_bmc: MakeBmc) -> None:
    assert make_bmc(bmc=emulator.address + SYSTEM).power_state() == "Off"
    with pytest.raises(BmcRejected, match="not found"):
        make_bmc(bmc=f"{emulator.address}/redfish/v1/Systems/another").power_state()


def test_one_session_serves_everything_and_is_ended(emulator: Emulator, bmc: RedfishBmc) -> None:
    before = emulator.seen["logins"]
    bmc.power_state()
    bmc.eject_media(OWN, PERMIT)
    bmc.insert_media(media_of(emulator), PERMIT)
    bmc.set_boot_once("cd", PERMIT)
    assert (emulator.seen["logins"] - before, emulator.seen["sessions"]) == (1, 1)
    bmc.close()
    assert emulator.seen["sessions"] == 0


def test_the_session_is_ended_after_an_error_too(emulator: Emulator, bmc: RedfishBmc) -> None:
    emulator.refuse("GET", SYSTEM, 500, times=READ_TRIES)
    with pytest.raises(BmcUnavailable):
        bmc.power_state()
    assert emulator.seen["sessions"] == 1
    bmc.close()
    assert emulator.seen["sessions"] == 0


def test_a_bmc_that_cannot_log_out_does_not_spoil_the_job(emulator: Emulator, bmc: RedfishBmc) -> None:
    bmc.power_state()
    emulator.refuse("DELETE", "", 500)
    bmc.close()
    assert [line.split()[0] for line in emulator.seen["log"]] == ["DELETE"]


def test_a_bmc_without_sessions_is_spoken_to_with_basic_authentication(emulator: Emulator, bmc: RedfishBmc) -> None:
    emulator.fail(no_sessions=True)
    before = emulator.seen["logins"]
    assert bmc.power_state() == "Off"
    assert emulator.seen["logins"] == before


def test_no_proxy_of_the_environment_comes_between(bmc: RedfishBmc, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert bmc.power_state() == "Off"


def test_there_is_a_way_to_this_bmc_and_to_no_other(emulator: Emulator, bmc: RedfishBmc) -> None:
    session = bmc._connection.connector._session
    assert session.get_adapter(f"{emulator.address}/redfish/v1/")
    for elsewhere in (f"{emulator.address}.example.net/", "https://127.0.0.1/", emulator.address.replace("s:", ":")):
        with pytest.raises(InvalidSchema):
            session.get_adapter(elsewhere)


def test_nothing_secret_is_logged_at_any_level(
    emulator: Emulator, bmc: RedfishBmc, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        bmc.insert_media(media_of(emulator), PERMIT)
        bmc.close()
    assert "HTTP request: POST" in caplog.text
    assert PASSWORD not in caplog.text
