"""What reached a BMC and when, against what the API had permitted: two records that know nothing of each other."""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bringup.wire.run import TimelineEntry
from bringup.wire.run_events import ARRIVAL_S, PERMIT_S, EventType
from workers.bmc import Permit

# The second of each covers the first.
_INSERT = {EventType.WRITE_REQUESTED, EventType.OVERRIDE_REQUESTED}
_CLEAN_UP = {EventType.CLEANUP_REQUESTED, EventType.POWER_OFF_REQUESTED}
# Which permit each kind of request needs; the last part of its path, or its method.
_KINDS = {
    "VirtualMedia.InsertMedia": _INSERT,
    "VirtualMedia.EjectMedia": _INSERT | _CLEAN_UP,
    "Certificates": _INSERT,  # the CA of the image server, for a slot that can check it
    "PATCH": {EventType.OVERRIDE_REQUESTED, *_CLEAN_UP},
    "PATCH of a slot": _INSERT | _CLEAN_UP,
    "ComputerSystem.Reset": {
        EventType.POWER_REQUESTED,
        EventType.POWER_ON_REQUESTED,
        EventType.POWER_OFF_REQUESTED,
    },
}


@dataclass(frozen=True)
class Write:
    """A request that reached the BMC and may have changed it; ``at``: seconds since the epoch."""

    at: float
    method: str
    path: str
    agent: str

    @property
    def by_a_worker(self) -> bool:
        """Not by a test that plays another user."""
        return self.agent == WORKER

    @property
    def needs(self) -> set[EventType]:
        """The kinds of permit that allow it; none for what we should never send."""
        kind = f"{self.method} of a slot" if "/VirtualMedia/" in self.path else self.method
        return _KINDS.get(self.path.rpartition("/")[2], _KINDS.get(kind, set()))


@dataclass(frozen=True)
class Given:
    """A permit as the API has it; ``at``: seconds since the epoch."""

    at: float
    kind: EventType


class PermitRecord:
    """When permits were valid in this process."""

    def __init__(self) -> None:
        self._from_to: list[tuple[float, float]] = []

    @contextmanager
    def noting(self, permit: Permit, writing: AbstractContextManager[None]) -> Iterator[None]:
        """Note ``permit`` for the length of ``writing``, and no longer than it holds."""
        began, ends = time.time(), time.time() + permit.remaining_s()
        try:
            with writing:
                yield
        finally:
            self._from_to.append((began, min(ends, time.time())))

    def not_covering(self, writes: Iterable[Write]) -> list[Write]:
        """Those that arrived while no permit was valid, and later than a request travels."""
        return [w for w in writes if not any(begin <= w.at <= end + ARRIVAL_S for begin, end in self._from_to)]


WORKER = "bringup"


def record(path: Path, write: Write) -> None:
    """Put ``write`` on record; one line, so that several threads may."""
    with path.open("a") as file:
        file.write(json.dumps(vars(write)) + "\n")


def recorded(path: Path) -> list[Write]:
    """All that were put on record there."""
    return [Write(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def permits_of(timeline: Iterable[TimelineEntry]) -> list[Given]:
    """The permits that a run was given, by its timeline."""
    kinds = set().union(*_KINDS.values())
    return [Given(e.at.timestamp(), EventType(e.type)) for e in timeline if e.applied and e.type in kinds]


def without_a_permit(writes: Iterable[Write], permits: list[Given]) -> list[Write]:
    """Those that arrived without a permit of their kind, or later than it holds and a request travels."""
    return [write for write in writes if not any(_allows(permit, write) for permit in permits)]


def _allows(permit: Given, write: Write) -> bool:
    return permit.kind in write.needs and 0 <= write.at - permit.at <= PERMIT_S + ARRIVAL_S
