"""Each problem of devices.toml has its line, its field and the right spelling; all of them are named at once."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bringup.errors import InventoryError
from bringup.inventory import Inventory
from bringup_cli.commands.settings import inventory
from bringup_cli.context import Context

GOOD = '[[device]]\nname = "a"\nbmc = "https://10.0.0.1"\nbmc_mac = "52:54:00:aa:00:01"\n'
OTHER = GOOD.replace('"a"', '"b"').replace("10.0.0.1", "10.0.0.2").replace("00:01", "00:02")


def problems(text: str, folder: Path) -> tuple[str, ...]:
    path = folder / "devices.toml"
    path.write_text(text)
    with pytest.raises(InventoryError) as caught:
        Inventory.read(path)
    return caught.value.problems


@pytest.mark.parametrize(
    ("added", "line", "says"),
    [
        ('seriall = "x"\n', 5, "seriall: there is no such field; did you mean serial?"),
        ('bmc_finger_print = "x"\n', 5, "did you mean bmc_fingerprint?"),
        ("expected = { memory_gb = 64 }\n", 5, "expected.memory_gb: there is no such field; did you mean memory_gib?"),
        ("[device.expected]\n\ncpus = 1\n", 7, "expected.cpus: there is no such field; did you mean"),
        ("[device.expected]\ndisks = [\n  { size_g = 480 },\n]\n", 7, "did you mean size_gb?"),
        ("zzz = 1\n", 5, "there is no such field; known are bmc, "),
        ('\nserial = "ABC1234"\nexpected = { serial = "ABC1235" }\n', 1, "give one"),
        ("nic_macs = ['x']\n", 5, "nic_macs.0: "),
        ('nic_macs = "52:54:00:aa:00:09"\n', 5, 'nic_macs: must be a list, such as ["x", "y"]'),
        ('state = "actve"\n', 5, "state: must be 'approved' or 'active'; did you mean active?"),
        ('boot_method = "usb"\n', 5, "boot_method: must be 'cd', 'uefi-http' or 'pxe'"),
        ("serial = 7\n", 5, "serial: must be a text in quotes"),
        ("boot_timeout_s = 0\n", 5, "boot_timeout_s: must be greater than or equal to 1"),
        ("expected = 64\n", 5, "expected: must be a table"),
        ('credential = "a/b"\n', 5, "credential: must be the name of a file in BMC_CREDENTIALS_DIR"),
    ],
)
def test_a_problem_has_its_line_its_field_and_the_nearest_name(
    added: str, line: int, says: str, tmp_path: Path
) -> None:
    found = problems(GOOD + added, tmp_path)
    assert any(one.startswith(f"{tmp_path}/devices.toml:{line}: device a: ") and says in one for one in found), found


def test_lines_are_those_of_the_entry_that_is_wrong(tmp_path: Path) -> None:
    (found,) = problems(f"# site\n{GOOD}\n{OTHER}bmc_verfy = false\n", tmp_path)
    assert found.startswith(f"{tmp_path}/devices.toml:11: device b: bmc_verfy: ")


def test_what_two_entries_claim_is_named_together_with_every_other_problem(tmp_path: Path) -> None:
    second = OTHER.replace("52:54:00:aa:00:02", "52-54-00-AA-00-01")
    found = problems(GOOD + second + OTHER.replace('"b"', '"c"').replace("name", "nmae"), tmp_path)
    assert any(":8: device b: 52:54:00:aa:00:01 belongs to a too" in one for one in found)
    assert any(":10: device number 3: nmae: " in one for one in found)


def test_what_an_entry_with_an_unknown_field_shares_with_another_is_named_with_it(tmp_path: Path) -> None:
    first = GOOD.replace("bmc_mac", 'seriall = "x"\nbmc_mac')
    found = problems(first + OTHER.replace("00:02", "00:01"), tmp_path)
    assert [one.partition("device ")[2] for one in found] == [
        "a: seriall: there is no such field; did you mean serial?",
        "b: 52:54:00:aa:00:01 belongs to a too",
    ]


def test_a_file_that_is_no_toml_has_its_line(tmp_path: Path) -> None:
    (found,) = problems(GOOD + "serial = \n", tmp_path)
    assert "line 5" in found
    assert found.startswith(f"{tmp_path}/devices.toml:5: ")
    assert "in quotes" in found


def test_a_field_that_is_there_twice_has_the_line_of_the_second(tmp_path: Path) -> None:
    assert problems(GOOD + 'name = "b"\n', tmp_path) == (f"{tmp_path}/devices.toml:5: this name was given before",)


def test_a_file_that_is_no_utf_8_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    path.write_bytes(GOOD.encode() + b'maintenance = "Gro\xdf"\n')
    with pytest.raises(InventoryError) as caught:
        Inventory.read(path)
    assert caught.value.problems == (f"{path}:5: this is not text in UTF-8",)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ('[[device]]\nbmc = "https://10.0.0.1"\n', "name: must be set"),
        (GOOD.replace('"a"', '"A 1"'), "name: must be lower-case letters, digits, dots and hyphens"),
        (GOOD.replace("https:", "ftp:"), "bmc: must be a URL such as https://192.0.2.10"),
        (GOOD.replace("https://", "https://root:calvin@"), "bmc: must be a URL such as https://192.0.2.10"),
    ],
)
def test_what_must_be_there_is_named_in_words(wrong: str, words: str, tmp_path: Path) -> None:
    assert any(words in one for one in problems(wrong, tmp_path))


def check(folder: Path, text: str, *arguments: str) -> Result:
    (folder / "devices.toml").write_text(text)
    env_file = folder / "some.env"
    env_file.write_text(f"DEVICES_FILE={folder}/devices.toml\n")
    return CliRunner().invoke(inventory, ["check", *arguments], obj=Context(env_file))


def test_check_lists_every_problem_and_fails(tmp_path: Path) -> None:
    done = check(tmp_path, GOOD + 'seriall = "x"\nuuidd = "y"\n')
    assert done.exit_code == 2
    assert [line.split(": ")[2] for line in done.stdout.splitlines()] == ["seriall", "uuidd"]


def test_check_of_a_file_without_problems_counts_the_machines(tmp_path: Path) -> None:
    done = check(tmp_path, GOOD + OTHER)
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path}/devices.toml: 2 machines, nothing is wrong\n")


@pytest.mark.parametrize(("text", "ok"), [(GOOD, True), (GOOD + "x = 1\n", False)])
def test_check_has_json(tmp_path: Path, text: str, ok: bool) -> None:  # noqa: FBT001
    found = json.loads(check(tmp_path, text, "--output", "json").stdout)
    assert (found["ok"], bool(found["problems"]), found["machines"]) == (ok, not ok, int(ok))


def test_check_takes_another_file(tmp_path: Path) -> None:
    other = tmp_path / "new.toml"
    other.write_text(OTHER)
    assert f"{other}: 1 machines" in check(tmp_path, GOOD + "x = 1\n", str(other)).stdout
