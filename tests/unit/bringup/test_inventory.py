"""The inventory file: what it takes, and that a wrong one is refused with every problem."""

from pathlib import Path

import pytest

from bringup.errors import InventoryError
from bringup.inventory import Inventory
from bringup.model import DeviceState

ROOT = Path(__file__).parents[3]
GOOD = '[[device]]\nname = "a"\nbmc_mac = "52-54-00-AA-00-01"\nbmc = "https://10.0.0.1"\n'


def read(text: str, tmp_path: Path) -> Inventory:
    path = tmp_path / "devices.toml"
    path.write_text(text)
    return Inventory.read(path)


def test_a_device_is_found_by_any_of_its_macs_in_any_spelling(tmp_path: Path) -> None:
    inventory = read(GOOD.replace("bmc =", 'nic_macs = ["52:54:00:aa:00:02"]\nbmc ='), tmp_path)
    for mac in ("52:54:00:aa:00:01", "52:54:00:aa:00:02"):
        device = inventory.device_of(mac)
        assert device is not None
        assert (device.name, device.state) == ("a", DeviceState.APPROVED)
    assert inventory.device_of("52:54:00:aa:00:03") is None


def test_a_fingerprint_is_taken_as_openssl_prints_it(tmp_path: Path) -> None:
    inventory = read(GOOD + f'bmc_fingerprint = "{":".join(["AB"] * 32)}"\n', tmp_path)
    assert inventory.by_name["a"].bmc_fingerprint == "ab" * 32


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[device]]\nname = 'a'\nbmc = 'https://x'\n", "needs bmc_mac or nic_macs"),
        (GOOD.replace("name", "nmae"), "nmae"),
        (GOOD.replace("https://10.0.0.1", "ftp://10.0.0.1"), "bmc"),
        (GOOD.replace("https://10.0.0.1", "https://root:calvin@10.0.0.1"), "bmc"),
        (GOOD.replace("52-54-00-AA-00-01", "52-54-00"), "six octets"),
        (GOOD + 'state = "validated"\n', "state"),
        (GOOD + 'bmc_fingerprint = "ab:cd"\n', "SHA-256"),
        (GOOD + 'bmc_ca = ""\n', "bmc_ca"),
        (GOOD + f'bmc_ca = "a.pem"\nbmc_fingerprint = "{"a" * 64}"\n', "take one of"),
        (GOOD + 'bmc_ca = "a.pem"\nbmc_verify = false\n', "take one of"),
        (GOOD + GOOD, "used twice"),
        (GOOD + GOOD.replace('"a"', '"b"'), "belongs to a too"),
        ("[device]\nname='a'\n", "two brackets"),
        ("[[devices]]\n", "unknown table"),
        ("name = [", "devices.toml"),
        (GOOD + "expected = { memory_gib = -1 }\n", "expected.memory_gib"),
        ("[boot_groups]\nrack-1 = 0\n" + GOOD, "boot_groups.rack-1: must be a number of machines from 1"),
        ("[boot_groups]\nrack-1 = true\n" + GOOD, "boot_groups.rack-1: must be a number"),
        ("boot_groups = 3\n" + GOOD, r"write \[boot_groups\]"),
        (GOOD + 'boot_group = "rack-1"\n', r":5: device a: boot_group: \[boot_groups\] has no 'rack-1'; add it there"),
        ("[boot_groups]\nrack-11 = 2\n" + GOOD + 'boot_group = "rack-1"\n', "did you mean rack-11"),
    ],
)
def test_a_wrong_entry_is_refused_by_name(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match=message):
        read(text, tmp_path)


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(InventoryError) as caught:
        read(GOOD.replace("52-54-00-AA-00-01", "x") + GOOD.replace('"a"', '"B!"'), tmp_path)
    assert len(caught.value.problems) == 2


def test_a_missing_file_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="DEVICES_FILE"):
        Inventory.read(tmp_path / "absent.toml")


def test_the_documented_example_is_a_valid_inventory() -> None:
    assert Inventory.read(ROOT / "devices.example.toml").by_name
