"""The lines that are learned from a report: applied, the machine passes; nothing else of the file changes."""

from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from bringup.errors import InventoryError
from bringup.expectation import Expectation
from bringup.model import RunState
from bringup.verdict.judge import judge
from bringup.wire.report import Report
from bringup_cli.learn.learned import expected_of, learn
from bringup_cli.learn.proposal import extend, propose
from bringup_cli.simulate.hardware_report import Fault, report_of
from tests.unit.bringup.test_verdict_any_report import DEVICE

ROOT = Path(__file__).parents[3]
REPORT = report_of(DEVICE, Fault.NONE, "boot-1")
MACS = tuple(interface.mac_address for interface in REPORT.inventory.interfaces)
RUN = "02-00-00-00-00-01-1795426896"
ENTRY = f'[[device]]\nname = "a"\nbmc_mac = "02:00:00:00:00:01"\nnic_macs = ["{MACS[0]}"]\nbmc = "https://10.0.0.1"\n'
LEARNED = learn(RUN, REPORT, ("02:00:00:00:00:01", *MACS))


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "devices.toml"
    path.write_bytes(text.encode())
    return path


def changed(path: str, value: object, report: Report = REPORT) -> Report:
    document = report.model_dump(mode="json")
    place: Any = document["inventory"]
    *parts, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parts:
        place = place[part]
    place[last] = value
    return Report.model_validate(document)


def test_the_address_of_a_bmc_is_taken_only_if_it_is_one(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    for address, bmc in (
        ("10.1.2.3", "https://10.1.2.3"),
        ("evil.example/x", "https://bmc.invalid"),
        ("fe80::1", "https://bmc.invalid"),
    ):
        learned = learn(RUN, changed("bmc_address", address), MACS)
        assert f'+bmc = "{bmc}"' in propose(path, "new-1", learned).patch


def test_a_serial_of_the_entry_is_not_learned_a_second_time() -> None:
    entry = tomlkit.table()
    entry["serial"] = "S1"
    assert "expected.serial" not in {change.field for change in extend(entry, LEARNED, replace=False)}


def test_a_placeholder_is_no_serial_to_learn() -> None:
    for serial, learned in (("7XK2M13", "7XK2M13"), ("To be filled by O.E.M.", None), ("0000", None)):
        assert expected_of(changed("system_vendor.serial_number", serial).inventory).get("serial") == learned


def test_the_report_of_a_machine_that_another_entry_has_is_not_learned(tmp_path: Path) -> None:
    other = '[[device]]\nname = "b"\nnic_macs = ["02:00:00:00:00:99"]\nbmc = "https://10.0.0.2"\n'
    path = written(tmp_path, ENTRY + other)
    with pytest.raises(InventoryError, match="is the report of another machine"):
        propose(path, "b", LEARNED, replace=True)


def test_a_file_that_cannot_be_edited_safely_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "device = []\n")
    with pytest.raises(InventoryError, match="by hand"):
        propose(path, "new-1", LEARNED)
    with pytest.raises(InventoryError, match="DEVICES_FILE"):
        propose(tmp_path / "absent.toml", "a", LEARNED)


def test_that_smart_data_could_not_be_read_is_never_learned_as_the_norm() -> None:
    document = REPORT.model_dump(mode="json")
    for disk in document["inventory"]["disks"]:
        disk.update(smart=None, smart_problem="smartctl was ended by signal 9")
    assert "smart" not in expected_of(Report.model_validate(document).inventory)


def test_devices_of_one_kind_with_different_links_are_learned_by_their_slots() -> None:
    links = list(REPORT.model_dump(mode="json")["inventory"]["pcie_links"])
    functions = ["0000:03:00.0 15b3:1017 020000", "0000:03:00.1 15b3:1017 020000"]
    report = changed("pci_devices", functions)
    report = changed(
        "pcie_links",
        [links[0] | {"slot": s, "width": w} for s, w in (("0000:03:00.0", 16), ("0000:03:00.1", 8))],
        report,
    )
    assert expected_of(report.inventory)["pcie"] == [
        {"slot": "0000:03:00.0", "id": "15b3:1017", "width": 16, "speed_gts": 16},
        {"slot": "0000:03:00.1", "id": "15b3:1017", "width": 8, "speed_gts": 16},
    ]


SIZES = st.integers(1, 20_000_000_000_000)
TEXTS = st.text(max_size=20)


@given(
    st.lists(st.tuples(SIZES, TEXTS, st.sampled_from(["hdd", "ssd", "nvme", None])), max_size=4),
    st.lists(st.integers(0, 10_000) | st.none(), max_size=4),
    st.integers(1, 2**22),
    TEXTS,
    st.none() | st.booleans(),
)
def test_a_machine_passes_what_was_learned_from_it(
    disks: list[tuple[int, str, str | None]],
    speeds: list[int | None],
    memory_mb: int,
    bios: str,
    secure_boot: bool | None,  # noqa: FBT001 - as hypothesis passes it
) -> None:
    document = REPORT.model_dump(mode="json")
    found = document["inventory"]
    healthy = found["disks"][0]
    found["disks"] = [healthy | {"size": size, "model": model, "type": kind} for size, model, kind in disks]
    found["memory"]["modules"] = [{"size_mb": 1, "speed_mts": speed} for speed in speeds]
    found["memory"]["physical_mb"] = memory_mb
    found["firmware"]["bios_version"] = bios
    found["boot"]["secure_boot"] = secure_boot
    report = Report.model_validate(document)
    expected = Expectation.model_validate(expected_of(report.inventory))
    assert judge(report, expected, MACS).state is RunState.PASSED


def test_a_report_that_names_no_port_makes_no_entry_and_names_the_reason(tmp_path: Path) -> None:
    learned = learn(RUN, changed("interfaces", []), ())
    with pytest.raises(InventoryError, match="needs bmc_mac or nic_macs"):
        propose(written(tmp_path, ""), "a", learned)
