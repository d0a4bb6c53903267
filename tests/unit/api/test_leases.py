"""What a run takes over from the inventory when it opens: everything that says how its BMC is to be trusted."""

from datetime import UTC, datetime

from api.runs.admission import started_by_operator
from api.runs.records import DeviceRecord, KnownDevice
from bringup.inventory import Device
from bringup.model import DeviceState

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_run_carries_the_address_the_trust_and_the_name_of_the_credential() -> None:
    given = {"bmc": "https://10.0.0.1", "credential": "rack1", "bmc_ca": "ca.pem", "boot_method": "pxe"}
    entry = Device.model_validate({"name": "a", "bmc_mac": "02:00:00:00:00:01", **given})
    run = started_by_operator(
        "02-00-00-00-00-01-1", KnownDevice(DeviceRecord(name="a", state=DeviceState.APPROVED), entry), "w", NOW
    ).run
    assert {name: getattr(run, name) for name in given} == given
    assert run.bmc_verify


def test_a_check_that_the_inventory_switches_off_or_pins_reaches_the_run() -> None:
    for trust in ({"bmc_verify": False}, {"bmc_fingerprint": "ab" * 32}):
        entry = Device.model_validate({"name": "a", "bmc_mac": "02:00:00:00:00:01", "bmc": "https://x", **trust})
        device = KnownDevice(DeviceRecord(name="a", state=DeviceState.APPROVED), entry)
        run = started_by_operator("02-00-00-00-00-01-1", device, "w", NOW).run
        assert {name: getattr(run, name) for name in trust} == trust
