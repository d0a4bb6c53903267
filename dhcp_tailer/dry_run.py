"""Reading any file as a source would: its records and their outcomes are reported, and nothing is queued."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bringup.errors import PermanentError
from bringup.model import LeaseEvent
from dhcp_tailer.accounting import Outcome, excerpt
from dhcp_tailer.filters import Filters
from dhcp_tailer.follower import Follower, open_follower
from dhcp_tailer.framing import Record
from dhcp_tailer.sources import Parser, parse_record

# Records held at once: some 50 KB.
_BATCH = 500


@dataclass(frozen=True)
class DryRunRecord:
    """One record, and the outcome that it would have."""

    outcome: Outcome
    event: LeaseEvent | None = None
    reason: str | None = None
    record: str | None = None  # its beginning, if it is malformed; safe for a terminal


def dry_run(path: Path, parser: Parser, filters: Filters) -> Iterator[DryRunRecord]:
    """Each record of a file in its order; a lease that was seen before is a duplicate.

    Args:
        path: of the file.
        parser: reads its records.
        filters: decide which leases would lead to a run.

    Raises:
        PermanentError: the file cannot be read.
    """
    follower = open_follower(path, parser)
    seen: set[str] = set()
    try:
        for record in _all(follower):
            yield _reported(record, parser, filters, seen)
            follower.done(record)
        if follower.unavailable:
            raise PermanentError(f"{path} cannot be read: {follower.unavailable}")
    finally:
        follower.close()


def _all(follower: Follower) -> Iterator[Record]:
    while records := follower.poll(_BATCH):
        yield from records


def _reported(record: Record, parser: Parser, filters: Filters, seen: set[str]) -> DryRunRecord:
    parsed = parse_record(parser, record)
    if not isinstance(parsed, LeaseEvent):
        shown = excerpt(record.data) if parsed.malformed else None
        return DryRunRecord(parsed.outcome, reason=parsed.reason, record=shown)
    outcome = filters.outcome(parsed)
    if outcome is None:
        outcome = Outcome.DUPLICATE if parsed.run_id in seen else Outcome.QUEUED
        seen.add(parsed.run_id)
    return DryRunRecord(outcome, parsed)


def sums(outcomes: Counter[Outcome]) -> str:
    """The number of records of each outcome, in one line."""
    return ", ".join(f"{number} {outcome.value}" for outcome, number in outcomes.items() if number) or "no records"
