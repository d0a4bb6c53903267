"""The verdict: passed only when all that was expected was found and everything ran."""

import pytest

from bringup.expectation import Expectation
from bringup.inventory import Device
from bringup.model import RunState
from bringup.verdict.judge import judge
from bringup.wire.report import AgentCheck, CheckStatus, Report
from bringup_cli.simulate.hardware_report import Fault, report_of

DEVICE = Device.model_validate(
    {
        "name": "a",
        "bmc_mac": "02:00:00:00:00:01",
        "nic_macs": ["02:00:00:00:00:02", "02:00:00:00:00:03"],
        "bmc": "simulated://127.0.0.1:9000/a",
        "expected": {
            "memory_gib": 64,
            "cpu_count": 16,
            "nics": 2,
            "serial": "S1",
            "disks": [{"size_gb": 480, "count": 2}, {"size_gb": 1000}],
        },
    }
)
SOUND = report_of(DEVICE, Fault.NONE, "boot-1")


def verdict(report: Report, expected: Expectation = DEVICE.expected) -> tuple[RunState, str]:
    made = judge(report, expected, DEVICE.nic_macs)
    return made.state, made.summary


def changed(**inventory: object) -> Report:
    document = SOUND.model_dump()
    for name, value in inventory.items():
        part, _, field = name.partition("__")
        if field:
            document["inventory"][part][field] = value
        else:
            document["inventory"][part] = value
    return Report.model_validate(document)


def test_a_machine_that_is_what_was_expected_passes() -> None:
    assert verdict(SOUND) == (RunState.PASSED, "")


@pytest.mark.parametrize(
    ("report", "difference"),
    [
        (changed(memory__physical_mb=32 * 1024), "memory: expected 64 GiB, found 32 GiB"),
        (changed(memory__physical_mb=128 * 1024), "memory: expected 64 GiB, found 128 GiB"),
        (changed(cpu__count=8), "CPU count: expected 16, found 8"),
        (changed(system_vendor__serial_number="S2"), "serial: expected S1, found S2"),
    ],
)
def test_a_difference_fails_and_is_shown(report: Report, difference: str) -> None:
    assert verdict(report) == (RunState.FAILED, difference)


@pytest.mark.parametrize(
    ("observed_mib", "state"),
    [
        (64 * 1024 - 1967, RunState.FAILED),
        (64 * 1024 - 1966, RunState.PASSED),  # 3 % of 65,536 MiB are 1,966.08 MiB
        (64 * 1024 + 1966, RunState.PASSED),
        (64 * 1024 + 1967, RunState.FAILED),
    ],
)
def test_memory_may_differ_by_three_percent_and_by_no_mebibyte_more(observed_mib: int, state: RunState) -> None:
    assert verdict(changed(memory__physical_mb=observed_mib))[0] is state


def test_memory_that_the_firmware_keeps_for_itself_is_not_missing() -> None:
    assert verdict(changed(memory__physical_mb=64 * 1024 - 1024))[0] is RunState.PASSED


def test_the_report_of_another_machine_does_not_pass_this_one() -> None:
    others = [
        nic.model_copy(update={"mac_address": f"02:ff:00:00:00:{number:02x}"})
        for number, nic in enumerate(SOUND.inventory.interfaces)
    ]
    state, summary = verdict(changed(interfaces=others))
    assert state is RunState.FAILED
    assert summary.startswith("identity: expected all of 02:00:00:00:00:02")


def test_every_port_on_record_must_be_there_not_only_one() -> None:
    found = report_of(DEVICE, Fault.MISSING_PORT, "boot-1")
    state, summary = judge(found, Expectation(cpu_count=16), DEVICE.nic_macs).state, verdict(found)[1]
    assert state is RunState.FAILED
    assert "(missing: 02:00:00:00:00:03)" in summary


@pytest.mark.parametrize(
    ("status", "state"),
    [(CheckStatus.FAIL, RunState.FAILED), (CheckStatus.WARN, RunState.DEGRADED), (CheckStatus.SKIP, RunState.DEGRADED)],
)
def test_a_check_that_did_not_pass_is_never_green(status: CheckStatus, state: RunState) -> None:
    checks = (*SOUND.checks[1:], AgentCheck(name="memory", status=status, detail="3 ECC errors"))
    assert verdict(SOUND.model_copy(update={"checks": checks})) == (state, "agent memory: 3 ECC errors")


def test_a_check_that_was_not_reported_is_never_green() -> None:
    for name in ("memory", "disks", "links", "machine-checks", "inventory"):
        checks = [check for check in SOUND.checks if check.name != name]
        assert verdict(SOUND.model_copy(update={"checks": checks}))[0] is RunState.DEGRADED, name


def test_a_machine_of_which_nothing_is_expected_is_never_green() -> None:
    for nothing in (Expectation(), Expectation(smart=False), Expectation(serial="S1")):
        assert verdict(SOUND, nothing)[0] is RunState.DEGRADED


def test_a_device_without_a_port_on_record_is_never_green() -> None:
    assert judge(SOUND, DEVICE.expected, ()).state is RunState.DEGRADED


def test_the_serial_of_the_entry_is_compared_as_the_one_that_is_expected() -> None:
    device = DEVICE.model_copy(update={"serial": "s 1x", "expected": Expectation(cpu_count=16)})
    for serial, state in (("S  1X", RunState.PASSED), ("S 1Y", RunState.FAILED), ("", RunState.FAILED)):
        report = changed(system_vendor__serial_number=serial)
        assert judge(report, device.expectation, device.host_macs).state is state, serial


def test_the_address_of_the_bmc_is_no_port_that_the_report_must_show() -> None:
    assert DEVICE.bmc_mac
    device = DEVICE.model_copy(update={"nic_macs": (*DEVICE.nic_macs, DEVICE.bmc_mac)})
    assert judge(SOUND, device.expectation, device.host_macs).state is RunState.PASSED
