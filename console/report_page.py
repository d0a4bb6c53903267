"""Two reports of one machine, line by line: what has changed in it between two runs. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bringup.wire.report import Report

# Lines of a comparison that are shown: a machine with other disks differs in some dozens.
MOST_DIFFERENCES = 500
# What differs with every boot, and says nothing of the machine.
_OF_THE_RUN = frozenset({"boot_id", "rtc_offset_s", "agent"})
# What names an element of a list, so that a disk that moved to another place is still the same disk.
_KEYS = ("serial", "wwn", "mac_address", "slot", "name")


@dataclass(frozen=True)
class Difference:
    """One value that is not the same. Empty: it is not there."""

    path: str
    before: str
    after: str


def differences(before: Report, after: Report) -> list[Difference]:
    """What is not the same in two reports, by path."""
    old, new = dict(_values(before)), dict(_values(after))
    paths = sorted(old.keys() | new.keys())
    return [Difference(path, old.get(path, ""), new.get(path, "")) for path in paths if old.get(path) != new.get(path)]


def _values(report: Report) -> Iterator[tuple[str, str]]:
    document = report.model_dump(mode="json", exclude=set(_OF_THE_RUN))
    inventory = document.pop("inventory")
    yield from _flat("", inventory)
    yield from _flat("", document)


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _flat(f"{path}.{name}" if path else str(name), part)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, part in enumerate(value):
            yield from _flat(f"{path}[{_name_of(part, index)}]", part)
    elif value not in (None, ""):
        yield path, str(value)


def _name_of(part: Any, index: int) -> str:
    if isinstance(part, str):  # a list of names, such as PCI devices: by itself, not by its place
        return part
    found = next((part[key] for key in _KEYS if part.get(key)), None) if isinstance(part, Mapping) else None
    return str(found or index)
