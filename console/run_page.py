"""What the pages of a run show: its timeline, the checks of its verdict, and what two reports differ in. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bringup.wire.report import CheckResult, CheckStatus, Report, Verdict
from bringup.wire.run import RunDetail, TimelineEntry
from console.dots import event_word, look_of, span
from console.words import Tone

# Lines of a timeline that are shown. A run has some twenty; a BMC that is busy for hours makes thousands, which would
# freeze a browser.
MOST_STEPS = 300
# The worst first: that is what one opens the page for.
_ORDER = (CheckStatus.FAIL, CheckStatus.WARN, CheckStatus.SKIP, CheckStatus.OK)
CHECK_TONES = {
    CheckStatus.FAIL: Tone.BAD,
    CheckStatus.WARN: Tone.CAUTION,
    CheckStatus.SKIP: Tone.IDLE,
    CheckStatus.OK: Tone.GOOD,
}
# Steps that are repeated when a boot is tried again; heartbeats and permits come more than once by themselves.
_REPEATED = frozenset(
    {"boot_started", "media_inserted", "powered_on", "powered_off", "bmc_busy", "retry_scheduled", "boot_failed"}
)


@dataclass(frozen=True)
class TimelineStep:
    """One line of the timeline.

    Args:
        after: since the begin of the run.
        took: until the next line; empty for the last.
        word: what happened.
        attempt: the how-manieth of its kind, where that means another try; 0: it does not.
    """

    entry: TimelineEntry
    after: str
    took: str
    word: str
    shape: str
    tone: Tone
    attempt: int


def steps_of(run: RunDetail) -> list[TimelineStep]:
    """The timeline of ``run``, oldest first; of a very long one the newest part."""
    entries = run.timeline
    begin = entries[0].at if entries else run.created_at
    seen: Counter[str] = Counter()
    found = []
    for index, entry in enumerate(entries):
        seen[entry.type] += entry.applied
        following = entries[index + 1].at if index + 1 < len(entries) else None
        shape, tone = look_of(entry.type, by_person=entry.by is not None)
        attempt = seen[entry.type] if entry.type in _REPEATED and seen[entry.type] > 1 else 0
        found.append(
            TimelineStep(
                entry,
                _between(begin, entry.at),
                _between(entry.at, following),
                event_word(entry.type),
                shape,
                tone,
                attempt,
            )
        )
    return found[-MOST_STEPS:]


def checks_of(verdict: Verdict | None) -> Sequence[CheckResult]:
    """The checks of a verdict, the worst first, in their own order within."""
    return sorted(verdict.checks, key=lambda check: _ORDER.index(check.status)) if verdict else ()


def _between(begin: datetime, end: datetime | None) -> str:
    return span(max(0.0, (end - begin).total_seconds())) if end else ""


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
