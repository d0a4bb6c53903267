"""Machines whose BMC is not verified are named, wherever the self-test finds the inventory."""

from pathlib import Path

from pki.check import Finding, Status, observe
from selftest.checks import CATALOG
from selftest.target_installation import TargetInstallation

CHECK = next(check for check in CATALOG if check.id == "8")
DEVICE = '[[device]]\nname = "{name}"\nbmc_mac = "02:00:00:00:00:{number:02}"\nbmc = "https://10.0.0.{number}"\n'


def found(target: TargetInstallation, inventory: str | None) -> Finding:
    if inventory is not None:
        Path(target.settings.devices_file).write_text(inventory)
    return observe(CHECK, target)[0]


def device(name: str, number: int, more: str = "") -> str:
    return DEVICE.format(name=name, number=number) + more + "\n"


def test_it_names_every_machine_whose_bmc_is_not_verified_and_the_fix(target: TargetInstallation) -> None:
    finding = found(
        target,
        device("r2", 2, "bmc_verify = false") + device("r1", 1, "bmc_verify = false") + device("good", 3),
    )
    assert (finding.status, finding.message) == (Status.WARN, "bmc_verify = false: r1, r2")
    assert "bmc_ca" in finding.hint
    assert "bmc_fingerprint" in finding.hint


def test_an_inventory_without_any_is_in_order(target: TargetInstallation) -> None:
    finding = found(target, device("a", 1, 'bmc_ca = "bmc-ca.pem"') + device("b", 2))
    assert (finding.status, finding.message) == (Status.OK, "of 2 devices none has bmc_verify = false")


def test_a_host_without_an_inventory_is_referred_to_the_apis_host(target: TargetInstallation) -> None:
    finding = found(target, None)
    assert finding.status is Status.INFO
    assert "not on this host" in finding.message


def test_an_inventory_that_cannot_be_read_is_no_pass(target: TargetInstallation) -> None:
    assert found(target, "[[device]\n").status is Status.FAIL


def test_it_is_asked_before_anything_runs() -> None:
    assert CHECK.static
