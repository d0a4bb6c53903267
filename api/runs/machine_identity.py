"""Whether what answers at a BMC's address is the machine on record. Pure.

The inventory counts; where it has nothing, what was seen at the first contact does. A BMC may show less than is on
record, or more: only what both sides have can contradict.
"""

from collections.abc import Iterator
from itertools import chain

from api.runs.records import KnownDevice
from bringup.bmc_address import system_key
from bringup.identity import mac_keys, serial_key, uuid_key
from bringup.inventory import Device, Inventory
from bringup.wire.run import MachineIdentity


def contradiction(device: KnownDevice, seen: MachineIdentity, inventory: Inventory) -> str | None:
    """Why ``seen`` cannot be ``device``, with both values; None: nothing contradicts it.

    Args:
        seen: what the BMC shows now.
        inventory: all of it: another entry may own what the BMC shows.
    """
    return next(_contradictions(device, seen, inventory), None)


def other_than(began_with: MachineIdentity, seen: MachineIdentity) -> str | None:
    """Why ``seen`` is not the machine that a run began with; None: nothing contradicts it."""
    return next(_differences(began_with, seen, "the run began with"), None)


def other_than_cleaned_up(
    device: KnownDevice, began_with: MachineIdentity | None, seen: MachineIdentity, inventory: Inventory
) -> str | None:
    """Why ``seen`` is not the machine whose run has ended; None: nothing contradicts it.

    An edit of the inventory must not keep us from cleaning up the machine that the run began with. Where nothing of
    that machine was seen when the run began, only the inventory can distinguish it from another.

    Args:
        began_with: what the BMC showed when the run began.
        seen: what it shows now.
        inventory: all of it.
    """
    if began_with and (why := other_than(began_with, seen)):
        return why
    if began_with and _is_named_alike(began_with, seen):
        return None
    from_entry = _against_the_inventory(device.entry, seen) if device.entry else iter(())
    return next(chain(from_entry, _owned_by_another(device.record.name, seen, inventory)), None)


def known_as_another(device: KnownDevice, seen: MachineIdentity, first_seen_as: KnownDevice | None) -> str | None:
    """Why ``seen`` is a machine that the inventory has under another name, by an earlier contact; else None.

    This finds two addresses of one BMC that no comparison of spellings can find, such as a name and its IP address.

    Args:
        seen: what the BMC shows now.
        first_seen_as: the device that showed this UUID first.
    """
    if first_seen_as is None or first_seen_as.entry is None or first_seen_as.record.name == device.record.name:
        return None
    if device.entry and device.entry.uuid_key == uuid_key(seen.uuid):
        return None  # a person has decided that
    other = first_seen_as.record.name
    return (
        f"the BMC shows uuid {seen.uuid}, under which {other} was seen first: two entries have one machine; if it is "
        f"no longer {other}, run: bringup device set {other} --forget-identity"
    )


def first_contact(known: MachineIdentity | None, seen: MachineIdentity) -> MachineIdentity:
    """What is pinned: what was seen first of each value. Many BMCs know the MACs only once the host has booted."""
    if known is None:
        return seen
    missing = {name: value for name, value in seen if value and not getattr(known, name)}
    return known.model_copy(update=missing)


def shown(seen: MachineIdentity) -> str:
    """What names the machine, for people."""
    values = {"serial": seen.serial, "uuid": seen.uuid, "MACs": ", ".join(seen.macs)}
    return "; ".join(f"{name} {value}" for name, value in values.items() if value) or "nothing that names a machine"


def _contradictions(device: KnownDevice, seen: MachineIdentity, inventory: Inventory) -> Iterator[str]:
    entry = device.entry
    if entry is None:
        yield "the machine is no longer in the inventory"
        return
    yield from _against_the_inventory(entry, seen)
    yield from _owned_by_another(entry.name, seen, inventory)
    if device.record.identity:
        yield from _differences(_unless_on_record(device.record.identity, entry), seen, "at the first contact it was")
    if not entry.bmc_verify and not _is_confirmed(entry, seen):
        yield (
            f"bmc_verify = false, and the BMC shows no serial number or UUID that confirms the machine ({shown(seen)})"
        )


def _against_the_inventory(entry: Device, seen: MachineIdentity) -> Iterator[str]:
    if entry.serial_key and serial_key(seen.serial) and entry.serial_key not in _serials(seen):
        on_record = entry.serial or entry.expected.serial
        yield f"the inventory has serial {on_record}, the BMC shows {seen.serial}"
    if entry.uuid_key and uuid_key(seen.uuid) not in {None, entry.uuid_key}:
        yield f"the inventory has uuid {entry.uuid}, the BMC shows {seen.uuid}"
    if _are_disjoint(entry.nic_macs, seen.macs):
        yield f"the inventory has nic_macs {', '.join(entry.nic_macs)}, the BMC shows {', '.join(seen.macs)}"


def _owned_by_another(name: str, seen: MachineIdentity, inventory: Inventory) -> Iterator[str]:
    owners = inventory.devices_with(serials=(seen.serial, seen.sku), uuid=seen.uuid, macs=seen.macs)
    for owner in owners:
        if owner.name != name:
            yield f"the BMC shows {shown(seen)}, which the inventory gives to {owner.name}"


def _is_named_alike(known: MachineIdentity, seen: MachineIdentity) -> bool:
    by_serial = serial_key(known.serial) is not None and serial_key(known.serial) == serial_key(seen.serial)
    by_uuid = uuid_key(known.uuid) is not None and uuid_key(known.uuid) == uuid_key(seen.uuid)
    return by_serial or by_uuid


def _differences(known: MachineIdentity, seen: MachineIdentity, when: str) -> Iterator[str]:
    if serial_key(known.serial) and serial_key(seen.serial) not in {None, serial_key(known.serial)}:
        yield f"{when} serial {known.serial}, the BMC shows {seen.serial}"
    if uuid_key(known.uuid) and uuid_key(seen.uuid) not in {None, uuid_key(known.uuid)}:
        yield f"{when} uuid {known.uuid}, the BMC shows {seen.uuid}"
    if _are_disjoint(known.macs, seen.macs):
        yield f"{when} MACs {', '.join(known.macs)}, the BMC shows {', '.join(seen.macs)}"
    if known.system_path and seen.system_path and system_key(known.system_path) != system_key(seen.system_path):
        yield f"{when} system {known.system_path}, the BMC shows {seen.system_path}"


def _unless_on_record(pinned: MachineIdentity, entry: Device) -> MachineIdentity:
    """The pin without what the inventory has since: an edit by a person goes before it."""
    on_record = {"serial": entry.serial_key, "uuid": entry.uuid_key, "macs": entry.nic_macs}
    gone = {name: () if name == "macs" else None for name, value in on_record.items() if value}
    return pinned.model_copy(update=gone | {"system_path": None})


def _serials(seen: MachineIdentity) -> set[str | None]:
    """Where a BMC may show what people call the serial number: Dell has the service tag as the SKU."""
    return {serial_key(seen.serial), serial_key(seen.sku), serial_key(seen.asset_tag)}


def _is_confirmed(entry: Device, seen: MachineIdentity) -> bool:
    by_serial = entry.serial_key is not None and entry.serial_key in _serials(seen)
    return by_serial or (entry.uuid_key is not None and entry.uuid_key == uuid_key(seen.uuid))


def _are_disjoint(on_record: tuple[str, ...], seen: tuple[str, ...]) -> bool:
    known, shown = mac_keys(on_record), mac_keys(seen)
    return bool(known and shown) and not known & shown
