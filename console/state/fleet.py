"""All machines, in memory: one batch of the feed goes in, one page of a list comes out."""

import re
from bisect import insort
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from threading import Lock

from bringup.model import DeviceState
from bringup.wire.changes import FeedChange, FeedPage, FeedSnapshot
from bringup.wire.operator import DeviceView
from bringup.wire.run import Run
from console.state.machine import MILESTONES, EventDot, Machine, RunLine, since_by_run
from console.words import STATES, Group

# Dots of a run besides its milestones: a run that is retried has a few each time, and one that loops must not grow.
_MOST_EVENTS = 32
# Characters of what such an event says: as much as a title on the page shows.
_LONGEST_DETAIL = 200
_DIGITS = re.compile(r"(\d+)")


class Fleet:
    """The machines as the feed shows them. Requests may read while the follower writes.

    ``version`` is another one after each batch that changed something: a page that has seen it asks for what is newer.
    """

    def __init__(self) -> None:
        self.version = 0
        self.site = ""
        self.counts: Counter[str] = Counter()  # machines by state
        self._machines: dict[str, Machine] = {}
        self._names: list[tuple[tuple[object, ...], str]] = []  # sorted as people sort: r2 before r10
        self._sorted: tuple[Machine, ...] | None = None  # the machines in that order; None: one has changed since
        self._seen: dict[str, deque[EventDot]] = {}  # of the runs that are open, by their ids
        self._changed: OrderedDict[str, int] = OrderedDict()  # the version of each change, the latest last
        # A batch changes several of these; a request in between would see a machine that is not counted.
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._machines)

    def get(self, name: str) -> Machine | None:
        """The machine of this name."""
        return self._machines.get(name)

    def all(self) -> Sequence[Machine]:
        """Every machine, by name."""
        with self._lock:
            if self._sorted is None:
                self._sorted = tuple(self._machines[name] for _, name in self._names)
            return self._sorted

    @property
    def groups(self) -> dict[Group, int]:
        """How many machines are in each group, in the order of the page."""
        found = dict.fromkeys(Group, 0)
        for state, number in self.counts.items():
            found[STATES[state].group] += number
        return found

    def facets(self) -> dict[str, list[str]]:
        """The racks, models and reasons that machines have now, sorted: what a list can be filtered by."""
        machines = self.all()
        found = {
            "rack": {one.rack for one in machines},
            "model": {one.device.product or "" for one in machines},
            "reason": {one.reason for one in machines},
        }
        return {name: sorted(values - {""}, key=_natural) for name, values in found.items()}

    def changed_since(self, version: int) -> Iterator[Machine]:
        """The machines that have changed after ``version``, the latest first."""
        with self._lock:
            found = []
            for name in reversed(self._changed):
                if self._changed[name] <= version:
                    break
                found.append(self._machines[name])
        return iter(found)

    def apply(self, batch: FeedSnapshot | FeedPage) -> None:
        """Take in what the feed brings."""
        with self._lock:
            self.version += 1
            self._sorted = None
            if isinstance(batch, FeedSnapshot):
                self._replace(batch)
            else:
                for change in batch.changes:
                    self._take(change)

    def _replace(self, snapshot: FeedSnapshot) -> None:
        self.site = snapshot.site
        last = {run.device: run for run in sorted(snapshot.runs, key=lambda run: run.created_at)}
        known = {device.name: device for device in snapshot.devices}
        # An older state may have been restored: nothing of what was known before may be left.
        for content in (self._machines, self._names, self.counts, self._changed):
            content.clear()
        for name in known.keys() | last.keys():
            self._put(name, known.get(name), last.get(name))

    def _take(self, change: FeedChange) -> None:
        self.site = change.site
        run, device = change.run, change.device
        name = device.name if device else run.device if run else None
        if name is None:
            return
        if run and change.what not in MILESTONES:
            events = self._seen.setdefault(run.run_id, deque(maxlen=_MOST_EVENTS))
            person = change.who if change.what in _BY_PEOPLE else ""
            events.append(EventDot(change.at, change.what, change.detail[:_LONGEST_DETAIL], person))
        self._put(name, device, run, change.at)

    def _put(self, name: str, device: DeviceView | None, run: Run | None, at: datetime | None = None) -> None:
        """Take in how a machine is now. ``at``: when it became so; None: it may have been so for long."""
        known = self._machines.get(name)
        device = device or (known.device if known else _unknown(name))
        line = self._line(run, known.run if known else None)
        if known is None:
            insort(self._names, (_natural(name), name))
        else:
            self.counts[known.state] -= 1
        machine = Machine(name, device, line, self.site, self.version)
        if known and known.state == machine.state and _run_id(known) == _run_id(machine):
            since = known.since
        else:
            since = at if known and at else since_by_run(machine.state, line)
        machine = replace(machine, since=since)
        self._machines[name] = machine
        self.counts[machine.state] += 1
        self._changed[name] = self.version
        self._changed.move_to_end(name)

    def _line(self, run: Run | None, known: RunLine | None) -> RunLine | None:
        """The newest run: a change of an earlier one is of no interest to the list."""
        if run is None or (known and known.run_id != run.run_id and run.created_at < known.created_at):
            return known
        if known and known.run_id != run.run_id:
            self._seen.pop(known.run_id, None)
        return RunLine.of(run, tuple(self._seen.get(run.run_id, ())))


# What a person does is shown with their name.
_BY_PEOPLE = frozenset({"abort"})


def _run_id(machine: Machine) -> str:
    return machine.run.run_id if machine.run else ""


def _unknown(name: str) -> DeviceView:
    return DeviceView(name=name, state=DeviceState.UNKNOWN, in_inventory=False)


def _natural(name: str) -> tuple[object, ...]:
    """Sorts numbers in names by their value. Pairs, so that a number is never compared with a text."""
    parts: Iterable[str] = _DIGITS.split(name)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)
