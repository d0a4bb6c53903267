"""What happened to the site, as it happened: leases written, disturbances with their times, problems seen."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Lease:
    """A lease that the DHCP server wrote. ``written``: seconds since the epoch."""

    run_id: str
    machine: str | None  # None: a machine that the inventory does not know
    written: float
    phase: str


@dataclass
class Disturbance:
    """Something was away from ``began`` to ``ended``, both seconds since the epoch."""

    phase: str
    what: str
    began: float
    ended: float = float("inf")


@dataclass
class Record:
    """Shared by the threads that write leases, disturb the site and supervise it; each only appends."""

    leases: list[Lease] = field(default_factory=list)
    disturbances: list[Disturbance] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    phase: str = "start"

    @contextmanager
    def disturbance(self, what: str) -> Iterator[None]:
        """Times the body: from the first moment of the fault to the moment at which its cause is gone."""
        entry = Disturbance(self.phase, what, time.time())
        self.disturbances.append(entry)
        try:
            yield
        finally:
            entry.ended = time.time()

    def problem(self, what: str) -> None:
        """Something that must not happen, whatever is done to the site."""
        self.problems.append(f"{self.phase}: {what}")
