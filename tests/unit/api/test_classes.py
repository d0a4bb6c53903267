"""The numbers by which devices and runs are counted in Redis, which two versions share."""

from api.state import classes
from bringup.inventory import Device
from bringup.model import DeviceState


def test_a_state_has_the_number_that_it_always_had() -> None:
    """A version beside this one has counted by these: a new state gets a number of its own, below 15."""
    assert classes.RUN_STATES == {
        "queued": 1,
        "booting": 2,
        "waiting": 3,
        "running": 4,
        "passed": 5,
        "degraded": 6,
        "failed": 7,
        "timed_out": 8,
        "aborted": 9,
        "audited": 10,
        "unknown": 15,
    }
    assert classes.DEVICE_STATES == {
        "discovered": 1,
        "approved": 2,
        "validating": 3,
        "validated": 4,
        "failed": 5,
        "active": 6,
        "unknown": 15,
    }


def test_every_class_of_an_inventory_is_between_its_bounds_and_a_number_that_a_score_keeps_exactly() -> None:
    digest = "f" * 64
    device = Device(
        name="m", bmc_mac="02:00:00:00:00:01", bmc="https://b", state=DeviceState.ACTIVE, maintenance="disk"
    )
    highest = classes.entry_bits(device) + classes.DEVICE_STATES["unknown"] + classes.UNAPPROVED + classes.MAINTENANCE
    number = classes.inventory_base(digest) + highest
    assert classes.inventory_base(digest) <= number < classes.inventory_end(digest) <= 2**53
    assert classes.device_class(number) == classes.DeviceClass(
        DeviceState.UNKNOWN, unapproved=True, maintenance=True, entry=DeviceState.ACTIVE, entry_maintenance=True
    )
