"""The agent against the real API: a whole run, and each way in which it cannot trust or reach it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.system import CommandResult
from bringup.wire.report import Report
from pki.names import Identity, Role
from tests.conftest import free_port
from tests.integration.agent.site import Booted, Ca, Listener, long_ago, served
from tests.integration.api.conftest import RUN_A, Api
from tests.unit.agent.tree import BOOT_ID, Ended, smartctl

Boot = Callable[..., Booted]
WORN_OUT = {
    "nvme_smart_health_information_log": {
        "critical_warning": 0,
        "available_spare": 100,
        "available_spare_threshold": 10,
        "percentage_used": 250,
        "media_errors": 0,
    }
}


@pytest.fixture(scope="session")
def ca() -> Ca:
    return Ca()


@pytest.fixture
def listener(api: Api, tmp_path: Path, ca: Ca) -> Iterator[Listener]:
    with served(api.client.application, tmp_path, ca) as made:
        yield made


@pytest.fixture
def boot(api: Api, listener: Listener, tmp_path: Path) -> Boot:
    """A machine whose run is on, with the CA and the address of the API."""

    def make(**given: Any) -> Booted:
        right = {"callback_url": listener.url, "ca_pem": listener.ca.pem, "token": api.booted()}
        return Booted(tmp_path / "machine", **(right | given))

    return make


def test_a_run_whose_first_api_host_is_away_goes_to_its_verdict_by_the_other(
    api: Api, boot: Boot, listener: Listener
) -> None:
    away = f"https://127.0.0.1:{free_port()}/api/v1"
    console = boot(callback_url=away, other_callback_urls=[listener.url]).run()
    assert "trying another address of the API: " in console
    assert "refuses the connection" in console
    assert "the report is delivered" in console
    assert api.run()["state"] == "failed"


def test_a_wrong_certificate_ends_no_run_while_another_address_may_come_back(api: Api, boot: Boot) -> None:
    machine = boot(other_callback_urls=[f"https://127.0.0.1:{free_port()}/api/v1"])
    machine.given["callback_url"] = machine.given["callback_url"].replace("127.0.0.1", "localhost")
    with pytest.raises(Ended):
        machine.run()
    assert "no TLS with localhost" in machine.console
    assert api.run()["state"] == "waiting"


def test_a_run_goes_from_parameters_to_a_verdict(api: Api, boot: Boot) -> None:
    machine = boot()
    console = machine.run()
    assert "the report is delivered; the run is failed" in console  # 192 MiB, where the inventory expects 64 GiB
    run = api.run()
    assert (run["state"], run["boot_ids"]) == ("failed", [BOOT_ID])
    assert {c["name"]: c["status"] for c in run["verdict"]["checks"]} == {
        "memory": "fail",
        "SMART": "ok",
        "identity": "ok",
        "agent memory": "ok",
        "agent disks": "ok",
        "agent smart": "ok",
        "agent links": "ok",
        "agent machine-checks": "ok",
        "agent inventory": "ok",
    }
    assert machine.stage.ended == ["power off", "halt"]


@pytest.mark.parametrize(
    ("answer", "state", "shown"),
    [
        (CommandResult(0, smartctl("sata-ssd", "/dev/vda")), "passed", "healthy"),
        (CommandResult(None, "", "cannot be started: No such file or directory"), "degraded", "cannot be started"),
        (CommandResult(-9, ""), "degraded", "ended by signal 9"),
        (CommandResult(2, smartctl("refused")), "degraded", "Permission denied"),
        (CommandResult(0, smartctl("nvme", "/dev/vda", **WORN_OUT)), "failed", "percentage used 250"),
    ],
)
def test_a_disk_in_bad_or_unknown_health_passes_no_machine(
    api: Api, boot: Boot, answer: CommandResult, state: str, shown: str
) -> None:
    api.inventory.write_text(api.inventory.read_text().replace("memory_gib = 64", "memory_gib = 0.1875"))
    machine = boot()
    machine.stage.answers = lambda command: answer if command[0] == "smartctl" else CommandResult(0, "")
    assert f"the run is {state}" in machine.run()
    smart = next(check for check in api.run()["verdict"]["checks"] if check["name"] == "SMART")
    assert shown in smart["observed"]


def test_the_report_is_strictly_what_the_wire_asks_for(api: Api, boot: Boot) -> None:
    boot().run()
    stored = api.ok("GET", f"/runs/{RUN_A}/report")
    report = Report.model_validate_json(json.dumps(stored), strict=True)
    assert (report.simulated, report.inventory.memory.physical_mb) == (False, 192)
    assert report.agent.startswith("bringup-agent ")
    assert report.rtc_offset_s is not None
    assert abs(report.rtc_offset_s) < 60


def test_a_clock_that_is_years_behind_is_set_forward_and_its_offset_is_reported(api: Api, boot: Boot) -> None:
    machine = boot()
    machine.stage.clock -= 3 * 365 * 86400
    assert "set forward" in machine.run()
    assert machine.stage.clock >= machine.given["epoch"] - machine.stage.passed
    offset = api.ok("GET", f"/runs/{RUN_A}/report")["rtc_offset_s"]
    assert offset == pytest.approx(-3 * 365 * 86400, abs=60)


def test_the_logs_are_with_the_run_and_the_token_is_in_none(api: Api, boot: Boot) -> None:
    machine = boot()
    console = machine.run()
    for name, content in (("agent.log", "check memory: ok"), ("dmesg.log", "Linux version 6.1")):
        log = api.call("GET", f"/runs/{RUN_A}/artifacts/{name}").text
        assert content in log
        assert machine.given["token"] not in log + console


def test_an_api_that_takes_no_logs_gets_the_report_all_the_same(api: Api, boot: Boot) -> None:
    api.client.application.view_functions["machine.put_artifact"] = lambda run_id, name: ("no", 403)
    console = boot().run()
    assert "agent.log was not uploaded: the API answers 4" in console
    assert api.run()["report_sha256"]


def test_a_foreign_ca_ends_the_run_with_its_reason_and_the_token_stays_here(api: Api, boot: Boot) -> None:
    seen: list[str | None] = []
    api.client.application.before_request_funcs.setdefault(None, []).insert(0, _note_authorization(seen))
    machine = boot(ca_pem=Ca().pem)
    seen.clear()
    console = machine.run()
    run = api.run()
    assert (run["state"], run["reason"]) == ("failed", "tls_trust")
    assert console.count("is not the one in API_TLS_CA") == 6  # five tries, and the end
    assert machine.stage.passed < 60
    assert seen[0] is None, "the token must not go to a server that poses as the API"
    assert machine.stage.ended == ["power off", "halt"]


def _note_authorization(seen: list[str | None]) -> Callable[[], None]:
    def note() -> None:
        from flask import request  # noqa: PLC0415 - of this request

        seen.append(request.headers.get("Authorization"))

    return note


def test_a_certificate_that_has_expired_ends_the_run_with_the_clock_as_reason(
    api: Api, boot: Boot, tmp_path: Path
) -> None:
    with served(api.client.application, tmp_path, long_ago()) as old:
        console = boot(callback_url=old.url, ca_pem=old.ca.pem).run()
    assert "certificate has expired: a certificate is past its end, or a clock is wrong" in console
    assert "(this machine's time is " in console
    assert (api.run()["state"], api.run()["reason"]) == ("failed", "tls_clock")


def test_a_server_of_our_ca_with_another_name_is_not_trusted(api: Api, boot: Boot) -> None:
    machine = boot()
    machine.given["callback_url"] = machine.given["callback_url"].replace("127.0.0.1", "localhost")
    machine.run()
    assert api.run()["reason"] == "tls_trust"


@pytest.mark.parametrize("trusts", [True, False])
def test_an_api_that_asks_machines_for_a_certificate_gets_it(
    api: Api, boot: Boot, tmp_path: Path, ca: Ca, *, trusts: bool
) -> None:
    certificate, key = ca.certify(Identity(Role.RUN, RUN_A))
    with served(api.client.application, tmp_path, ca, asks_for_certificate=True) as strict:
        boot(
            callback_url=strict.url,
            ca_pem=ca.pem if trusts else Ca().pem,
            client_cert_pem=certificate,
            client_key_pem=key,
        ).run()
    assert api.run()["reason"] == ("check_failed" if trusts else "tls_trust")


def test_without_that_certificate_it_logs_that_and_goes_on(api: Api, boot: Boot, tmp_path: Path, ca: Ca) -> None:
    with served(api.client.application, tmp_path, ca, asks_for_certificate=True) as strict:
        machine = boot(callback_url=strict.url)
        with pytest.raises(Ended):
            machine.run()
    assert "got none" in machine.console
    assert "check RUN_CERTIFICATE_COMMAND" in machine.console
    assert api.run()["state"] == "waiting"


def test_an_api_that_is_not_there_is_tried_for_ever(boot: Boot) -> None:
    machine = boot(callback_url=f"https://127.0.0.1:{free_port()}/api/v1")
    with pytest.raises(Ended):
        machine.run()
    assert machine.console.count("refuses the connection") > 20


def test_a_refused_token_is_reported_plainly(boot: Boot) -> None:
    machine = boot(token="of-another-run")
    with pytest.raises(Ended):
        machine.run()
    assert "refuses this run's token" in machine.console
    assert "of-another-run" not in machine.console


def test_a_run_that_was_aborted_meanwhile_ends_without_a_report(api: Api, boot: Boot) -> None:
    machine = boot(after="wait")
    api.ok("POST", f"/runs/{RUN_A}/abort", {"reason": "a test"})
    assert "this run is over: the API has aborted this run" in machine.run()
    assert machine.stage.ended == ["halt"]


def test_a_run_that_has_ended_is_not_bothered_again(api: Api, boot: Boot) -> None:
    machine = boot()
    machine.run()
    before = api.run()
    assert "reports that this run is over" in machine.run()
    assert api.run() == before
