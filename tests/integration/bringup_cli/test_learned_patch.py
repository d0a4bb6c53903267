"""A learned patch, applied as a person applies it: the machine passes; nothing else of the file changes."""

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from bringup.inventory import Inventory
from bringup.model import RunState
from bringup.text import printable
from bringup.verdict.judge import judge
from bringup.wire.report import Report
from bringup_cli.learn.learned import Learned, learn
from bringup_cli.learn.proposal import propose
from tests.unit.bringup_cli.test_learn import ENTRY, LEARNED, MACS, REPORT, RUN, changed, written

ROOT = Path(__file__).parents[3]


def applied(path: Path, patch: str, tool: tuple[str, ...] = ("patch", "-p0", "--silent")) -> str:
    """The file once a person has applied the patch."""
    binary = shutil.which(tool[0])
    assert binary, f"{tool[0]} is not installed"
    subprocess.run([binary, *tool[1:]], input=patch.encode(), cwd=path.parent, check=True)
    return path.read_bytes().decode()


def passes(path: Path, report: Report = REPORT, name: str = "a") -> bool:
    device = Inventory.read(path).by_name[name]
    return judge(report, device.expected, device.nic_macs).state is RunState.PASSED


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


def test_entries_in_one_list_are_extended_too(tmp_path: Path) -> None:
    path = written(tmp_path, f'device = [{{ name = "a", nic_macs = ["{MACS[0]}"], bmc = "https://10.0.0.1" }}]\n')
    applied(path, propose(path, "a", LEARNED).patch)
    assert passes(path)


def test_the_documented_example_can_be_extended(tmp_path: Path) -> None:
    text = (ROOT / "devices.example.toml").read_text()
    path = written(tmp_path, text)
    learned: Learned = learn(RUN, REPORT, MACS)
    applied(path, propose(path, "r12u08", learned).patch)
    before = {entry["name"]: entry for entry in tomllib.loads(text)["device"]}
    after = {entry["name"]: entry for entry in tomllib.loads(path.read_text())["device"]}
    assert {name for name in after if after[name] != before[name]} == {"r12u08"}
