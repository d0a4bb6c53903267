"""Reading any file as a source would, with nothing but the telling of it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bringup.errors import PermanentError
from bringup.model import LeaseAction, LeaseEvent
from dhcp_tailer.accounting import excerpt
from dhcp_tailer.filters import Policy
from dhcp_tailer.following import Following, follow
from dhcp_tailer.outcome import Outcome
from dhcp_tailer.records import Record
from dhcp_tailer.sources import Skip, Source, malformed
from dhcp_tailer.tail import ENDED


@dataclass(frozen=True)
class Told:
    """One record, and what would become of it."""

    outcome: Outcome
    event: LeaseEvent | None = None
    reason: str | None = None
    record: str | None = None  # its beginning, if it is malformed; safe for a terminal


def dry_run(path: Path, source: Source, policy: Policy) -> Iterator[Told]:
    """Each record of ``path`` in its order; a lease told twice is a duplicate.

    Raises:
        PermanentError: the file cannot be read.
    """
    following = follow(path, source)
    seen: set[str] = set()
    try:
        for record in _all(following):
            yield _told(record, source, policy, seen)
            following.done(record)
        if following.unavailable:
            raise PermanentError(f"{path} cannot be read: {following.unavailable}")
    finally:
        following.close()


def _all(following: Following) -> Iterator[Record]:
    while records := following.poll(500):
        yield from records


def _told(record: Record, source: Source, policy: Policy, seen: set[str]) -> Told:
    parsed = malformed(record.damage) if record.damage else source.parse(record.data)
    if isinstance(parsed, Skip):
        shown = excerpt(record.data) if parsed.malformed else None
        return Told(parsed.outcome, reason=parsed.reason, record=shown)
    if parsed.action is not LeaseAction.ASSIGNED:
        return Told(ENDED[parsed.action], parsed)
    outcome = policy.leaves_out(parsed) or (Outcome.DUPLICATE if parsed.run_id in seen else Outcome.QUEUED)
    seen.add(parsed.run_id)
    return Told(outcome, parsed)


def counted(told: Counter[Outcome]) -> str:
    """The sums in one line."""
    return ", ".join(f"{number} {outcome.value}" for outcome, number in told.items() if number) or "no records"
