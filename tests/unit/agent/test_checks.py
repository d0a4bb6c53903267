"""What each check passes, warns of and fails; and that a broken check is a failed one."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent import checks, inventory
from agent.checks import disks
from agent.system import CommandResult
from tests.unit.agent.tree import END, KERNEL, Stage, Tree, module, smartctl

DMI = "sys/firmware/dmi/tables/DMI"


def results(tree: Tree, stage: Stage) -> dict[str, tuple[str, str]]:
    found = checks.run_all(tree.root, inventory.collect(tree.root, KERNEL, stage.system))
    return {check["name"]: (check["status"], check["detail"]) for check in found}


def status(tree: Tree, stage: Stage, name: str) -> str:
    return results(tree, stage)[name][0]


def test_a_machine_with_nothing_wrong_passes_every_check(tree: Tree, stage: Stage) -> None:
    found = results(tree, stage)
    assert list(found) == ["memory", "disks", "smart", "links", "machine-checks", "inventory"]
    assert {word for word, _ in found.values()} == {"ok"}


@pytest.mark.parametrize(
    ("module_mb", "kernel_mb", "shown"),
    [
        (192, 150, "ok"),
        (192, 60, "fail"),
        (16384, 15900, "ok"),
        (16384, 8000, "fail"),
        (16384, 15400, "warn"),
        (192, 250, "warn"),
    ],
)
def test_memory_that_the_kernel_has_not_got_is_noticed(
    tree: Tree, stage: Stage, module_mb: int, kernel_mb: int, shown: str
) -> None:
    tree.put(DMI, module(module_mb) + END)
    tree.put("proc/meminfo", f"MemTotal: {kernel_mb * 1024} kB\n")
    assert status(tree, stage, "memory") == shown


def test_memory_without_a_list_of_modules_is_not_passed(tree: Tree, stage: Stage) -> None:
    tree.put(DMI, END)
    assert results(tree, stage)["memory"] == (
        "skip",
        "no SMBIOS list of modules to compare the kernel's 156 MiB with",
    )


def test_a_disk_that_cannot_be_read_to_its_end_fails(tree: Tree, stage: Stage) -> None:
    os.truncate(tree.root / "dev/vda", 1000 * 512)
    assert results(tree, stage)["disks"][0] == "fail"
    (tree.root / "dev/vda").unlink()
    assert results(tree, stage)["disks"] == ("fail", "vda cannot be read: No such file or directory")


def test_a_disk_is_asked_for_its_own_opinion(tree: Tree, stage: Stage) -> None:
    assert results(tree, stage)["smart"] == ("ok", "/dev/vda SMART passed")
    failing = CommandResult(8, smartctl("sata-ssd", "/dev/vda", smart_status={"passed": False}))
    stage.answers = lambda _: failing
    assert results(tree, stage)["smart"] == ("fail", "/dev/vda SMART reports: failing")


def test_a_disk_whose_health_was_not_read_is_no_pass(tree: Tree, stage: Stage) -> None:
    stage.answers = lambda _: CommandResult(None, "", "did not end within 30 s")
    found = results(tree, stage)
    assert found["smart"] == ("skip", "/dev/vda SMART was not read: smartctl did not end within 30 s")
    assert found["disks"] == ("ok", "vda read")
    stage.answers = lambda _: CommandResult(0, smartctl("sata-ssd", "/dev/vda", smart_status={}))
    assert results(tree, stage)["smart"][0] == "skip"


def test_the_worst_disk_is_named_first(tree: Tree, stage: Stage) -> None:
    tree.disk("vdb")

    def answer(command: Sequence[str]) -> CommandResult:
        return CommandResult(0, smartctl("sata-ssd", command[-1], smart_status={"passed": command[-1] != "/dev/vdb"}))

    stage.answers = answer
    assert results(tree, stage)["smart"] == ("fail", "/dev/vdb SMART reports: failing; /dev/vda SMART passed")


def test_a_diskless_machine_passes_and_a_controller_without_driver_is_a_warning(tmp_path: Path, stage: Stage) -> None:
    tree = Tree(tmp_path)
    found = results(tree, stage)
    assert found["disks"] == found["smart"] == ("ok", "no disks")
    tree.pci("0000:00:05.0", "1000", "0097", "010700", driven=False)
    assert results(tree, stage)["disks"][0] == "warn"


def test_start_middle_and_end_of_a_disk_are_read_and_nothing_is_written(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(os.urandom(1_000_448))
    before = disk.read_bytes(), disk.stat().st_mtime_ns
    disk.chmod(0o400)
    disks.read_samples(disk, 1_000_448)
    assert (disk.read_bytes(), disk.stat().st_mtime_ns) == before
    assert disks._offsets(1_000_448) == [0, 466944, 933888]
    assert disks._offsets(512) == [0]


def test_a_port_without_carrier_is_named_and_is_no_fault(tree: Tree, stage: Stage) -> None:
    tree.port("eth1", carrier="0")
    assert results(tree, stage)["links"] == ("ok", "eth0 up 1000 Mb/s 192.0.2.7, eth1 no carrier")


def test_no_port_with_an_address_fails(tree: Tree, stage: Stage) -> None:
    tree.put("sys/class/net/eth0/carrier", "0")
    assert status(tree, stage, "links") == "fail"


def test_errors_on_a_port_that_is_used_are_a_warning(tree: Tree, stage: Stage) -> None:
    tree.port("eth1", carrier="0", **{"statistics/rx_errors": "5"})
    assert status(tree, stage, "links") == "ok"
    tree.put("sys/class/net/eth0/statistics/rx_crc_errors", "7")
    assert results(tree, stage)["links"][1].startswith("eth0 rx_crc_errors 7; ")


@pytest.mark.parametrize(("ue", "ce", "shown"), [(0, 0, "ok"), (0, 3, "warn"), (1, 3, "fail")])
def test_memory_errors_that_the_controller_counted(tree: Tree, stage: Stage, ue: int, ce: int, shown: str) -> None:
    tree.put("sys/devices/system/edac/mc/mc0/ue_count", str(ue))
    tree.put("sys/devices/system/edac/mc/mc0/ce_count", str(ce))
    assert status(tree, stage, "machine-checks") == shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("mce: CPU0: Thermal monitoring enabled (TM1)", "ok"),
        ("mce: [Hardware Error]: Machine check events logged", "warn"),
        ("{1}[Hardware Error]: event severity: corrected", "warn"),
        ("{1}[Hardware Error]: event severity: fatal", "fail"),
        ("[Hardware Error]: Uncorrected error, no action required.", "fail"),
        ("mce: Uncorrected hardware memory error in user-access at 3fe5000", "fail"),
        ("EXT4-fs (sda1): an error that another cause explains", "ok"),
    ],
)
def test_hardware_errors_in_the_kernels_log_by_their_kind(tree: Tree, stage: Stage, line: str, shown: str) -> None:
    tree.put("dev/kmsg", f"6,1,1000000,-;Linux version 6.1\n2,2,3000000,-;{line}\n")
    assert status(tree, stage, "machine-checks") == shown


def test_with_nothing_to_look_at_machine_checks_are_skipped(tree: Tree, stage: Stage) -> None:
    (tree.root / "dev/kmsg").unlink()
    assert status(tree, stage, "machine-checks") == "skip"


def test_a_check_that_breaks_has_failed_and_the_others_go_on(tree: Tree, stage: Stage) -> None:
    collected = inventory.collect(tree.root, KERNEL, stage.system)
    collected.parts["disks"] = [{"name": "no \x1b", "smart": 7}]
    found = {check["name"]: (check["status"], check["detail"]) for check in checks.run_all(tree.root, collected)}
    assert found["smart"][0] == "fail"
    assert found["smart"][1].startswith("the check broke: TypeError")
    assert found["links"][0] == "ok"


def test_what_was_not_found_out_is_a_failed_check(tree: Tree, stage: Stage) -> None:
    tree.put("proc/meminfo", "")
    assert results(tree, stage)["inventory"] == ("fail", "memory: ValueError: /proc/meminfo has no MemTotal")
