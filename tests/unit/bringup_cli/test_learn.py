"""The lines that are learned from a report: applied, the machine passes; nothing else of the file changes."""

import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from bringup.errors import InventoryError
from bringup.expectation import Expectation
from bringup.inventory import Inventory
from bringup.model import RunState
from bringup.text import printable
from bringup.verdict.judge import judge
from bringup.wire.report import Report
from bringup_cli.learn import Learned, learn, propose
from bringup_cli.learn.entry import extend
from bringup_cli.learn.expected import expected_of
from bringup_cli.simulate import Fault
from bringup_cli.simulate.report import report_of
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


def applied(path: Path, patch: str, tool: tuple[str, ...] = ("patch", "-p0", "--silent")) -> str:
    """The file once a person has applied the patch."""
    binary = shutil.which(tool[0])
    assert binary, f"{tool[0]} is not installed"
    subprocess.run([binary, *tool[1:]], input=patch.encode(), cwd=path.parent, check=True)
    return path.read_bytes().decode()


def passes(path: Path, report: Report = REPORT, name: str = "a") -> bool:
    device = Inventory.read(path).by_name[name]
    return judge(report, device.expected, device.nic_macs).state is RunState.PASSED


def changed(path: str, value: object, report: Report = REPORT) -> Report:
    document = report.model_dump(mode="json")
    place: Any = document["inventory"]
    *parts, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parts:
        place = place[part]
    place[last] = value
    return Report.model_validate(document)


FORMS = {
    "without expectations": ENTRY,
    "with a comment at each line": ENTRY.replace("\n", "  # a comment\n"),
    "with a table": ENTRY + "\n[device.expected]  # what is left out\nmemory_gib = 64  # GiB\n",
    "with a table on one line": ENTRY + "expected = { memory_gib = 64 }  # GiB\n",
    "with dotted keys": ENTRY + "expected.memory_gib = 64\n",
    "with an empty table": ENTRY + "expected = {}\n",
    "without a last line end": ENTRY.rstrip("\n"),
    "with line ends of Windows": ENTRY.replace("\n", "\r\n"),
    "with odd line ends in a comment": ENTRY + "# \u2028 \u0085\n",
    "among others": ENTRY.replace('"a"', '"b"')
    .replace("00:00:01", "00:00:11")
    .replace("10.0.0.1", "10.0.0.2")
    .replace(MACS[0], "02:00:00:00:00:12")
    + "\n# the one\n"
    + ENTRY
    + "\n# the last\n",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "tool", [("patch", "-p0", "--silent", "--binary"), ("git", "apply", "-p0", "--whitespace=nowarn")]
)
def test_the_applied_patch_passes_the_machine_and_keeps_all_other_lines(
    tmp_path: Path, form: str, tool: tuple[str, ...]
) -> None:
    path = written(tmp_path, FORMS[form])
    made = propose(path, "a", LEARNED)
    assert path.read_bytes().decode() == FORMS[form], "the file itself is never written"
    after = applied(path, made.patch, tool)
    assert passes(path)
    for line in FORMS[form].split("\n"):
        if not line.startswith("expected = {"):
            assert line in after.split("\n") or line + "\n" in after
    assert propose(path, "a", LEARNED).patch == "", "a second time there is nothing to add"


def test_only_what_is_not_on_record_is_added(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRY + "\n[device.expected]\nmemory_gib = 65\nnics = 4\ndisks = [{ size_gb = 480 }]\n")
    made = propose(path, "a", LEARNED)
    assert "-" not in {line[:1] for line in made.patch.splitlines()[2:]}
    assert {change.field for change in made.changes if change.on_record is not None} == {
        "expected.nics",
        "expected.disks",
    }
    assert not passes(path)
    applied(path, made.patch)
    assert not passes(path), "the machine differs from what was on record, and a patch that only adds keeps that"


def test_what_differs_is_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRY + "\n[device.expected]\nmemory_gib = 65\nnics = 4\n")
    made = propose(path, "a", LEARNED, replace=True)
    assert "-nics = 4" in made.patch
    assert "-memory_gib" not in made.patch, "within the tolerance there is no difference"
    applied(path, made.patch)
    assert passes(path)


def test_a_report_that_only_differs_proposes_nothing_unless_asked(tmp_path: Path) -> None:
    path = written(tmp_path, FORMS["without expectations"])
    applied(path, propose(path, "a", LEARNED).patch)
    other = learn(RUN, changed("firmware.bios_version", "0.9"), MACS)
    made = propose(path, "a", other)
    assert made.patch == ""
    assert [(c.field, c.found) for c in made.changes] == [("expected.bios_version", "0.9")]
    assert '+bios_version = "0.9"' in propose(path, "a", other, replace=True).patch


def test_a_machine_that_has_no_entry_gets_one_that_nothing_powers(tmp_path: Path) -> None:
    for before in ("", "# nothing yet\n", ENTRY.replace(MACS[0], "02:00:00:00:00:77").replace("00:00:01", "00:00:78")):
        path = written(tmp_path, before)
        made = propose(path, "new-1", LEARNED)
        assert made.is_new
        after = applied(path, made.patch)
        assert after.startswith(before)
        device = Inventory.read(path).by_name["new-1"]
        assert (device.state, device.bmc) == ("active", "https://bmc.invalid")
        assert (device.bmc_mac, device.nic_macs) == ("02:00:00:00:00:01", MACS)
        assert passes(path, name="new-1")
        assert f"run {RUN}: read every line" in after


def test_the_address_of_a_bmc_is_taken_only_if_it_is_one(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    for address, bmc in (
        ("10.1.2.3", "https://10.1.2.3"),
        ("evil.example/x", "https://bmc.invalid"),
        ("fe80::1", "https://bmc.invalid"),
    ):
        learned = learn(RUN, changed("bmc_address", address), MACS)
        assert f'+bmc = "{bmc}"' in propose(path, "new-1", learned).patch


def test_text_that_a_device_chose_stays_one_string(tmp_path: Path) -> None:
    hostile = '"]\n[[device]]\nname = "evil"\x1b[31m\\'
    report = changed("firmware.bios_version", hostile)
    report = changed("disks.0.model", "'''\"\"\"\u202e\x07", report)
    path = written(tmp_path, ENTRY)
    made = propose(path, "a", learn(RUN, report, MACS))
    assert all(printable(line) == line for line in made.patch.splitlines())
    applied(path, made.patch)
    assert list(Inventory.read(path).by_name) == ["a"]
    assert passes(path, report)


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


def test_entries_in_one_list_are_extended_too(tmp_path: Path) -> None:
    path = written(tmp_path, f'device = [{{ name = "a", nic_macs = ["{MACS[0]}"], bmc = "https://10.0.0.1" }}]\n')
    applied(path, propose(path, "a", LEARNED).patch)
    assert passes(path)


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


def test_the_documented_example_can_be_extended(tmp_path: Path) -> None:
    text = (ROOT / "devices.example.toml").read_text()
    path = written(tmp_path, text)
    learned: Learned = learn(RUN, REPORT, MACS)
    applied(path, propose(path, "r12u08", learned).patch)
    before = {entry["name"]: entry for entry in tomllib.loads(text)["device"]}
    after = {entry["name"]: entry for entry in tomllib.loads(path.read_text())["device"]}
    assert {name for name in after if after[name] != before[name]} == {"r12u08"}


def test_a_report_that_names_no_port_makes_no_entry_and_says_why(tmp_path: Path) -> None:
    learned = learn(RUN, changed("interfaces", []), ())
    with pytest.raises(InventoryError, match="needs bmc_mac or nic_macs"):
        propose(written(tmp_path, ""), "a", learned)
