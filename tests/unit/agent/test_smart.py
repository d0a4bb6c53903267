"""What is read of smartctl's output: raw values, or the reason why there are none; never a guess."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.inventory.smart import smart
from agent.system import CommandResult
from bringup.wire.report import Disk
from tests.unit.agent.tree import SMARTCTL, Stage, smartctl


def read(outcome: CommandResult, path: str) -> dict[str, Any]:
    stage = Stage()
    stage.answers = lambda _: outcome
    found = smart(path, stage.system)
    Disk.model_validate_json(json.dumps({"name": path, "size": 1, **found}), strict=True)
    return found


def stored(name: str) -> tuple[str, int, str]:
    """The answer of that name, its exit status, and the disk that was asked."""
    answer = json.loads((SMARTCTL / f"{name}.json").read_text())
    return json.dumps(answer), answer["smartctl"]["exit_status"], answer["smartctl"]["argv"][-1]


def test_smartctl_is_asked_for_health_counters_errors_and_wear() -> None:
    stage = Stage()
    smart("/dev/sda", stage.system)
    assert stage.commands == [["smartctl", "--json", "-H", "-i", "-A", "-l", "error", "-l", "devstat", "/dev/sda"]]


@pytest.mark.parametrize(
    ("name", "protocol", "counters"),
    [
        (
            "nvme",
            "nvme",
            {
                "critical_warning": 0,
                "available_spare": 100,
                "spare_threshold": 10,
                "percentage_used": 3,
                "media_errors": 0,
            },
        ),
        (
            "sata-ssd",
            "ata",
            {
                "reallocated_sectors": 0,
                "reported_uncorrectable": 0,
                "pending_sectors": None,
                "offline_uncorrectable": None,
                "percentage_used": 2,
            },
        ),
        (
            "sata-hdd",
            "ata",
            {
                "reallocated_sectors": 0,
                "reported_uncorrectable": 0,
                "pending_sectors": 0,
                "offline_uncorrectable": 0,
                "percentage_used": None,
            },
        ),
        ("sas-hdd", "scsi", {"grown_defects": 3, "uncorrected_errors": 3, "percentage_used": None}),
        ("sas-ssd", "scsi", {"grown_defects": 0, "uncorrected_errors": 0, "percentage_used": 7}),
    ],
)
def test_the_raw_values_of_each_kind_of_disk(name: str, protocol: str, counters: dict[str, int | None]) -> None:
    output, code, path = stored(name)
    assert read(CommandResult(code, output), path) == {
        "smart": {"protocol": protocol, "passed": True, "counters": counters}
    }


@pytest.mark.parametrize(
    ("name", "unavailable", "reason"),
    [
        ("raid-volume", True, "the disk reports no SMART data (a RAID volume or a virtual disk?)"),
        (
            "behind-a-raid-controller",
            True,
            "Smartctl open device: /dev/sde failed: DELL or MegaRaid controller, please try adding '-d megaraid,N'",
        ),
        ("refused", False, "Smartctl open device: /dev/sdf failed: Permission denied"),
        ("unknown-device", True, "/dev/vda: Unable to detect device type"),
    ],
)
def test_a_disk_that_could_not_be_asked_has_the_reason_and_no_values(
    name: str, reason: str, *, unavailable: bool
) -> None:
    output, code, path = stored(name)
    assert read(CommandResult(code, output), path) == {"smart_problem": reason, "smart_unavailable": unavailable}


GOOD = smartctl("nvme")


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (
            CommandResult(None, "", "cannot be started: No such file or directory"),
            "smartctl cannot be started: No such",
        ),
        (CommandResult(None, GOOD, "did not end within 30 s"), "smartctl did not end within 30 s"),
        (CommandResult(None, GOOD), "smartctl did not end in time, or is not there"),
        (CommandResult(-9, GOOD), "smartctl was ended by signal 9"),
        (CommandResult(1, GOOD), "smartctl could not open the disk (exit status 1)"),
        (CommandResult(2, GOOD), "smartctl could not open the disk (exit status 2)"),
        (CommandResult(0, ""), "the output of smartctl is no JSON (exit status 0)"),
        (CommandResult(0, GOOD[:700]), "the output of smartctl is no JSON"),
        (CommandResult(0, "[]"), "the output of smartctl is no JSON"),
        (CommandResult(0, "[" * 100_000), "the output of smartctl is no JSON"),
        (CommandResult(0, "{}"), "smartctl answered for no disk"),
        (CommandResult(0, smartctl("nvme", "/dev/nvme1n1")), "smartctl answered for /dev/nvme1n1"),
        (CommandResult(0, '{"device": {"name": "/dev/nvme0n1"}}'), "smartctl speaks None to the disk"),
        (
            CommandResult(0, '{"device": {"name": "/dev/nvme0n1", "protocol": "NVMe"}}'),
            "the disk reports no SMART data",
        ),
    ],
)
def test_no_broken_answer_looks_like_a_healthy_disk(outcome: CommandResult, reason: str) -> None:
    found = read(outcome, "/dev/nvme0n1")
    assert "smart" not in found
    assert not found["smart_unavailable"], "this disk may have SMART data"
    assert found["smart_problem"].startswith(reason)


def test_a_number_that_vendors_pack_is_read_from_its_text() -> None:
    answer = json.loads(smartctl("sata-hdd"))
    (row,) = (row for row in answer["ata_smart_attributes"]["table"] if row["id"] == 5)
    row["raw"] = {"value": 4000 + 2**32, "string": "4000 (1 0)"}
    found = read(CommandResult(0, json.dumps(answer)), "/dev/sdb")
    assert found["smart"]["counters"]["reallocated_sectors"] == 4000
    row["raw"] = {"value": 4000}
    assert read(CommandResult(0, json.dumps(answer)), "/dev/sdb") == found


@pytest.mark.parametrize(
    ("value", "reported"), [(-1, None), (True, None), ("0", None), (1.0, None), (2**64, 2**63 - 1)]
)
def test_what_is_no_count_is_not_taken_for_zero(value: object, reported: int | None) -> None:
    log = json.loads(GOOD)["nvme_smart_health_information_log"] | {"media_errors": value}
    found = read(CommandResult(0, smartctl("nvme", nvme_smart_health_information_log=log)), "/dev/nvme0n1")
    assert found["smart"]["counters"]["media_errors"] == reported


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_PARTS = [(name, part) for name in ("nvme", "sata-ssd", "sas-hdd") for part in json.loads(stored(name)[0])]


@given(st.sampled_from(_PARTS), _JSON)
def test_no_part_of_an_answer_in_another_form_breaks_the_reader(which: tuple[str, str], instead: Any) -> None:
    name, part = which
    output, code, path = stored(name)
    read(CommandResult(code, json.dumps(json.loads(output) | {part: instead})), path)


@pytest.mark.parametrize(
    ("name", "support", "unavailable"),
    [
        ("nvme", {"available": False}, False),
        ("sata-hdd", {"available": False}, True),
        ("sata-hdd", {"available": True}, False),
        ("sata-hdd", {}, False),
        ("sas-hdd", {"available": False}, True),
        ("sas-hdd", {}, True),
        ("sas-hdd", {"available": True}, False),
    ],
)
def test_a_disk_that_should_have_smart_data_and_gave_none_is_not_a_disk_without(
    name: str, support: dict[str, bool], *, unavailable: bool
) -> None:
    answer = json.loads(smartctl(name))
    kept = {"device": answer["device"], "smart_support": support}
    assert read(CommandResult(4, json.dumps(kept)), answer["device"]["name"])["smart_unavailable"] is unavailable
