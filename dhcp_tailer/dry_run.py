"""Reading any file as a source would: its records and their outcomes are reported, and nothing is queued."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bringup.errors import PermanentError
from bringup.model import LeaseEvent
from dhcp_tailer.accounting import Outcome, excerpt
from dhcp_tailer.filters import Filters
from dhcp_tailer.follower import BATCH, open_follower
from dhcp_tailer.sources import Parser, Skip, parse_record


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
        while records := follower.poll(BATCH):
            for record in records:
                yield _reported(parse_record(parser, record), record.data, filters, seen)
                follower.done(record)
        if follower.unavailable:
            raise PermanentError(f"{path} cannot be read: {follower.unavailable}")
    finally:
        follower.close()


def _reported(parsed: LeaseEvent | Skip, data: bytes, filters: Filters, seen: set[str]) -> DryRunRecord:
    if isinstance(parsed, Skip):
        return DryRunRecord(parsed.outcome, reason=parsed.reason, record=excerpt(data) if parsed.malformed else None)
    outcome = filters.outcome(parsed)
    if outcome is None:
        outcome = Outcome.DUPLICATE if parsed.run_id in seen else Outcome.QUEUED
        seen.add(parsed.run_id)
    return DryRunRecord(outcome, parsed)
