"""What ``bringup tail`` shows without following: the records of any file, and the status of a tailer.

Nothing is queued. The status is seen from outside: from the checkpoint, its lock and the file itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from pydantic import BaseModel

from bringup import errors, model
from bringup.settings import Settings
from dhcp_tailer import recognise
from dhcp_tailer.accounting import Outcome, excerpt
from dhcp_tailer.checkpoint import Checkpoint, checkpoint_file, read_checkpoint, saved_at
from dhcp_tailer.filters import Filters, FirstPass
from dhcp_tailer.follower import BATCH
from dhcp_tailer.framing import Record
from dhcp_tailer.resume import is_locked, open_follower
from dhcp_tailer.sources.parser import NOT_A_LEASE, Parser, Skip, parse_record


@dataclass(frozen=True)
class DryRunRecord:
    """One record, and the outcome that it would have."""

    number: int  # of the record in the file; the first is 1
    outcome: Outcome
    event: model.LeaseEvent | None = None
    reason: str | None = None
    record: str | None = None  # its beginning, if it is malformed or to be explained; safe for a terminal


def dry_run(
    path: Path, parser: Parser, filters: Filters, first_pass: FirstPass | None = None, *, explain: bool = False
) -> Iterator[DryRunRecord]:
    """Each record of a file in its order, as on a first start; a lease that was seen before is a duplicate.

    Args:
        path: of the file.
        parser: reads its records.
        filters: decide which leases would lead to a run.
        first_pass: which leases are stale; None: none is.
        explain: show of every record why it is no lease.

    Raises:
        PermanentError: the file cannot be read.
    """
    follower, stale = open_follower(path, parser), first_pass or FirstPass()
    seen: set[str] = set()
    numbers = count(1)

    def outcome_of(event: model.LeaseEvent) -> Outcome:
        if excluded := filters.outcome(event) or stale.outcome(event):
            return excluded
        known = event.run_id in seen
        seen.add(event.run_id)
        return Outcome.DUPLICATE if known else Outcome.QUEUED

    def shown(record: Record) -> DryRunRecord:
        parsed, number = parse_record(parser, record), next(numbers)
        if not isinstance(parsed, Skip):
            return DryRunRecord(number, outcome_of(parsed), parsed)
        why = recognise.reason(record.data, parser.name) if explain and parsed == NOT_A_LEASE else parsed.reason
        text = excerpt(record.data) if explain or parsed.malformed else None
        return DryRunRecord(number, parsed.outcome, reason=why, record=text)

    try:
        while records := follower.poll(BATCH):
            for record in records:
                yield shown(record)
                follower.done(record)
        yield from map(shown, follower.rest())
        if follower.unavailable:
            raise errors.PermanentError(f"{path} cannot be read: {follower.unavailable}")
    finally:
        follower.close()


class TailerStatus(BaseModel):
    """What ``bringup tail --status`` shows."""

    source: str
    path: str
    running: bool
    offset: int | None = None  # bytes; of a snapshot: changes
    inode: int | None = None
    saved_at: datetime | None = None  # when the checkpoint was written
    last_record_at: datetime | None = None
    file_bytes: int | None = None  # None: it cannot be read
    lag_bytes: int | None = None  # None: unknown, as after a rotation that was not followed yet
    lag_s: float | None = None  # how much younger the file is than what was read of it
    counts: dict[str, int]


def status_of(settings: Settings) -> TailerStatus:
    """The status now.

    Raises:
        PermanentError: the checkpoint cannot be read.
    """
    file = checkpoint_file(settings.state_dir, settings.dhcp_source, settings.dhcp_path)
    try:
        checkpoint = read_checkpoint(file)
    except ValueError:
        raise errors.PermanentError(f"{file} is damaged; the tailer reads from the beginning when it starts") from None
    counts = checkpoint.counts if checkpoint else {}
    status = TailerStatus(
        source=settings.dhcp_source,
        path=str(settings.dhcp_path),
        running=is_locked(file.with_suffix(".lock")),
        counts={outcome.value: counts.get(outcome.value, 0) for outcome in Outcome},
    )
    if checkpoint:
        status.saved_at = saved_at(file)
        _compare(status, checkpoint)
    return status


def _compare(status: TailerStatus, checkpoint: Checkpoint) -> None:
    position = checkpoint.position
    status.offset, status.inode = position.offset, position.inode
    status.last_record_at = checkpoint.last_record_at
    try:
        followed = Path(status.path).stat()
    except OSError:
        return
    status.file_bytes = followed.st_size
    same = (followed.st_dev, followed.st_ino) == (position.device, position.inode)
    unread = same and followed.st_mtime_ns > position.written_ns
    if status.source == "dnsmasq-leases":  # rewritten whole: there is no part of it that was read
        status.lag_bytes = (followed.st_size if unread else 0) if same else None
    else:
        status.lag_bytes = followed.st_size - position.offset if same and followed.st_size >= position.offset else None
    behind = status.lag_bytes != 0
    status.lag_s = max(0.0, (followed.st_mtime_ns - position.written_ns) / 1e9) if behind else 0.0
