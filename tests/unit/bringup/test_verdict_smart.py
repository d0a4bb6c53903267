"""What the disks report of their health: nothing that was not read, and no worn disk, is a pass."""

import pytest
from pydantic import ValidationError

from bringup.expectation import Expectation
from bringup.model import RunState
from bringup.verdict.judge import judge
from bringup.verdict.smart import LIMITS, judge_smart
from bringup.wire.report import AgentCheck, CheckStatus, Disk, Smart, SmartCounter
from tests.unit.bringup.test_verdict import DEVICE, SOUND

OK, WARN, FAIL, SKIP = CheckStatus.OK, CheckStatus.WARN, CheckStatus.FAIL, CheckStatus.SKIP
NVME: dict[str, int | None] = {
    "critical_warning": 0,
    "available_spare": 100,
    "spare_threshold": 10,
    "percentage_used": 3,
    "media_errors": 0,
}
ATA: dict[str, int | None] = {
    "reallocated_sectors": 0,
    "reported_uncorrectable": 0,
    "pending_sectors": 0,
    "offline_uncorrectable": 0,
    "percentage_used": None,
}
SCSI: dict[str, int | None] = {"grown_defects": 0, "uncorrected_errors": 0, "percentage_used": None}
ALL = {"nvme": NVME, "ata": ATA, "scsi": SCSI}


def disk(protocol: str = "nvme", *, passed: bool | None = True, **changes: int | None) -> Disk:
    smart = Smart.model_validate({"protocol": protocol, "passed": passed, "counters": ALL[protocol] | changes})
    return Disk(name="/dev/sda", size=10**12, smart=smart)


def judged(*disks: Disk, required: bool = True) -> tuple[CheckStatus, str]:
    (made,) = judge_smart(disks, required=required)
    return made.status, made.observed


@pytest.mark.parametrize("protocol", ALL)
def test_a_new_disk_passes(protocol: str) -> None:
    assert judged(disk(protocol)) == (OK, "/dev/sda: healthy")


@pytest.mark.parametrize(
    ("protocol", "counter", "value", "said"),
    [
        ("nvme", "percentage_used", 79, OK),
        ("nvme", "percentage_used", 80, WARN),
        ("nvme", "percentage_used", 99, WARN),
        ("nvme", "percentage_used", 100, FAIL),
        ("nvme", "percentage_used", 250, FAIL),
        ("nvme", "available_spare", 11, OK),
        ("nvme", "available_spare", 10, WARN),
        ("nvme", "available_spare", 9, FAIL),
        ("nvme", "available_spare", 255, SKIP),
        ("nvme", "spare_threshold", 101, SKIP),
        ("nvme", "media_errors", 1, WARN),
        ("nvme", "media_errors", 10, FAIL),
        ("nvme", "critical_warning", 0b000001, FAIL),
        ("nvme", "critical_warning", 0b000010, WARN),
        ("nvme", "critical_warning", 0b000100, FAIL),
        ("nvme", "critical_warning", 0b001000, FAIL),
        ("nvme", "critical_warning", 0b010000, FAIL),
        ("nvme", "critical_warning", 0b100000, FAIL),
        ("nvme", "critical_warning", 0b1000000, WARN),
        ("ata", "reallocated_sectors", 1, WARN),
        ("ata", "reallocated_sectors", 100, FAIL),
        ("ata", "reallocated_sectors", 4000, FAIL),
        ("ata", "reported_uncorrectable", 1, FAIL),
        ("ata", "pending_sectors", 1, FAIL),
        ("ata", "offline_uncorrectable", 1, FAIL),
        ("ata", "percentage_used", 120, FAIL),
        ("scsi", "grown_defects", 1, WARN),
        ("scsi", "grown_defects", 100, FAIL),
        ("scsi", "uncorrected_errors", 1, WARN),
        ("scsi", "uncorrected_errors", 10, FAIL),
        ("scsi", "percentage_used", 100, FAIL),
    ],
)
def test_each_counter_has_its_limits(protocol: str, counter: str, value: int, said: CheckStatus) -> None:
    assert judged(disk(protocol, passed=True, **{counter: value}))[0] is said


def test_each_limit_names_its_source_and_warns_before_it_fails() -> None:
    for limit in LIMITS.values():
        assert limit.source
        assert 0 < limit.warn_at <= limit.fail_at


def test_a_disk_that_calls_itself_failing_fails_whatever_its_counters_say() -> None:
    assert judged(disk(passed=False))[0] is FAIL
    assert judged(disk(passed=None))[0] is SKIP


def test_a_disk_without_any_spare_fails_also_where_its_threshold_is_zero() -> None:
    assert judged(disk(available_spare=0, spare_threshold=0))[0] is FAIL


def test_a_disk_that_was_not_asked_is_a_skip_with_the_reason() -> None:
    silent = Disk(name="/dev/sdb", size=10**12, smart_problem="smartctl did not end within 30 s")
    assert judged(silent) == (SKIP, "/dev/sdb: smartctl did not end within 30 s")
    assert judged(Disk(name="/dev/sdb", size=1)) == (SKIP, "/dev/sdb: the agent reported no SMART data")


def test_the_inventory_may_accept_disks_that_have_no_smart_and_no_others() -> None:
    silent = Disk(name="/dev/sdb", size=10**12, smart_problem="a RAID volume", smart_unavailable=True)
    assert judged(silent, required=False)[0] is OK
    assert judged(silent, required=True)[0] is SKIP
    dead = Disk(name="/dev/sdb", size=10**12, smart_problem="smartctl did not end within 30 s")
    assert judged(dead, required=False)[0] is SKIP, "it may have SMART data"
    assert judged(silent, disk(percentage_used=250), required=False)[0] is FAIL
    assert judged(Disk(name="/dev/sdb", size=1), required=False)[0] is SKIP, "an old agent did not look"


@pytest.mark.parametrize(
    ("protocol", "counter"), [(protocol, counter) for protocol, all_of_it in ALL.items() for counter in all_of_it]
)
def test_a_counter_that_is_absent_from_the_report_is_a_skip(protocol: str, counter: str) -> None:
    whole = disk(protocol)
    assert whole.smart
    rest = {name: value for name, value in whole.smart.counters.items() if name != counter}
    less = whole.model_copy(update={"smart": whole.smart.model_copy(update={"counters": rest})})
    assert judged(less)[0] is SKIP


def test_a_disk_may_lack_a_counter_but_not_all_of_them() -> None:
    assert judged(disk("ata", pending_sectors=None, offline_uncorrectable=None))[0] is OK
    assert judged(disk("ata", passed=True, **dict.fromkeys(ATA)))[0] is SKIP
    assert judged(disk("scsi", passed=True, **dict.fromkeys(SCSI)))[0] is SKIP
    assert judged(disk("nvme", media_errors=None))[0] is SKIP, "every NVMe disk has it"


def test_the_worst_disk_is_named_first() -> None:
    status, observed = judged(disk("ata", reallocated_sectors=3), disk(), disk(percentage_used=250))
    assert status is FAIL
    assert observed == "/dev/sda: percentage used 250 (at most 99); /dev/sda: reallocated sectors 3"


def test_a_machine_without_disks_has_nothing_to_judge() -> None:
    assert judge_smart([], required=True) == []


def test_every_counter_is_judged() -> None:
    seen = set(LIMITS) | {SmartCounter.CRITICAL_WARNING, SmartCounter.AVAILABLE_SPARE, SmartCounter.SPARE_THRESHOLD}
    assert seen == set(SmartCounter)


def test_a_report_that_has_smart_data_and_a_reason_for_having_none_is_refused() -> None:
    for reason in ({"smart_problem": "a RAID volume"}, {"smart_unavailable": True}):
        with pytest.raises(ValidationError, match="smart excludes"):
            Disk.model_validate(disk().model_dump() | reason)


def test_a_skip_of_the_agents_own_check_counts_unless_the_inventory_accepts_disks_without_smart() -> None:
    silent = Disk(name="/dev/sda", size=480 * 10**9, smart_problem="a RAID volume", smart_unavailable=True)
    own = AgentCheck(name="smart", status=SKIP, detail="/dev/sda SMART was not read")
    checks = tuple(check for check in SOUND.checks if check.name != "smart")
    inventory = SOUND.inventory.model_copy(update={"disks": (silent,)})
    report = SOUND.model_copy(update={"inventory": inventory, "checks": (*checks, own)})
    for smart, state in ((True, RunState.DEGRADED), (False, RunState.PASSED)):
        assert judge(report, Expectation(cpu_count=16, smart=smart), DEVICE.nic_macs).state is state
    healthy = SOUND.model_copy(update={"checks": (*checks, own)})
    assert judge(healthy, DEVICE.expected, DEVICE.nic_macs).state is RunState.DEGRADED, "whatever the raw values say"
    failing = report.model_copy(update={"checks": (*checks, own.model_copy(update={"status": FAIL}))})
    assert judge(failing, Expectation(cpu_count=16, smart=False), DEVICE.nic_macs).state is RunState.FAILED
