"""The class in which a device or an open run is counted, as a number: the score of its name in a sorted set.

Of a device it is made of what is on its record and of what its entry in the inventory is: its state by both is computed
from that. The inventory by which it was counted is in the number, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from api.runs.records import DeviceRecord
from bringup import model
from bringup.inventory import Device

# On record in Redis, where versions N and N + 1 meet: a number is never given to another state. 0: no record is there.
_RUN_STATES = (
    model.RunState.QUEUED,
    model.RunState.BOOTING,
    model.RunState.WAITING,
    model.RunState.RUNNING,
    model.RunState.PASSED,
    model.RunState.DEGRADED,
    model.RunState.FAILED,
    model.RunState.TIMED_OUT,
    model.RunState.ABORTED,
    model.RunState.AUDITED,
)
_DEVICE_STATES = (
    model.DeviceState.DISCOVERED,
    model.DeviceState.APPROVED,
    model.DeviceState.VALIDATING,
    model.DeviceState.VALIDATED,
    model.DeviceState.FAILED,
    model.DeviceState.ACTIVE,
)
_UNKNOWN = 15
RUN_STATES: Mapping[str, int] = {state: n for n, state in enumerate(_RUN_STATES, 1)} | {"unknown": _UNKNOWN}
DEVICE_STATES: Mapping[str, int] = {state: n for n, state in enumerate(_DEVICE_STATES, 1)} | {"unknown": _UNKNOWN}
_RUN_STATE_OF = {number: model.RunState(name) for name, number in RUN_STATES.items()}
_DEVICE_STATE_OF = {number: model.DeviceState(name) for name, number in DEVICE_STATES.items()}
# A class has the state in its lowest four bits, and these above them.
UNAPPROVED, MAINTENANCE, _ENTRY, _ENTRY_MAINTENANCE, _INVENTORY = 1 << 4, 1 << 5, 1 << 6, 1 << 10, 1 << 11
# Hexadecimal digits of the inventory's digest in a class: with the others 43 bits of the 53 that a score keeps
# exactly. Two inventories of one site that share them would be counted as one.
_DIGITS = 8


@dataclass(frozen=True)
class DeviceClass:
    """What devices of one class have in common.

    Args:
        state: on record; None: there is no record.
        unapproved, maintenance: on record.
        entry: state in the inventory; None: it has no entry.
        entry_maintenance: in the inventory.
    """

    state: model.DeviceState | None
    unapproved: bool
    maintenance: bool
    entry: model.DeviceState | None
    entry_maintenance: bool


def inventory_base(digest: str) -> int:
    """What the classes by an inventory begin with: theirs are the numbers from here on, below `inventory_end`."""
    return int(digest[:_DIGITS], 16) * _INVENTORY


def inventory_end(digest: str) -> int:
    """The first number that is no class by this inventory."""
    return inventory_base(digest) + _INVENTORY


def entry_bits(entry: Device | None) -> int:
    """What an entry of the inventory adds to a class."""
    return (DEVICE_STATES[entry.state] * _ENTRY + bool(entry.maintenance) * _ENTRY_MAINTENANCE) if entry else 0


def record_bits(record: DeviceRecord) -> int:
    """What a record adds to a class."""
    marks = record.unapproved * UNAPPROVED + (record.maintenance is not None) * MAINTENANCE
    return DEVICE_STATES[record.state] + marks


def device_class(number: int) -> DeviceClass:
    """What a number means; a state of a newer version is UNKNOWN."""
    entry = number // _ENTRY % 16
    return DeviceClass(
        _device_state(number % 16),
        bool(number & UNAPPROVED),
        bool(number & MAINTENANCE),
        _device_state(entry),
        bool(number & _ENTRY_MAINTENANCE),
    )


def run_state(number: int) -> model.RunState | None:
    """What a number means; None: there is no record."""
    return _RUN_STATE_OF.get(number, model.RunState.UNKNOWN) if number else None


def _device_state(number: int) -> model.DeviceState | None:
    return _DEVICE_STATE_OF.get(number, model.DeviceState.UNKNOWN) if number else None
