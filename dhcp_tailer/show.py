"""What ``bringup tail`` shows without following: the records of any file, and the status of a tailer.

Nothing is queued. The status is seen from outside: from the checkpoint, its lock and the file itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel

from bringup import errors, model
from bringup.settings import Settings
from dhcp_tailer.accounting import Outcome, excerpt
from dhcp_tailer.checkpoint import Checkpoint, checkpoint_file, is_locked, read_checkpoint
from dhcp_tailer.filters import Filters
from dhcp_tailer.follower import BATCH, open_follower
from dhcp_tailer.sources.parser import Parser, Skip, parse_record


@dataclass(frozen=True)
class DryRunRecord:
    """One record, and the outcome that it would have."""

    outcome: Outcome
    event: model.LeaseEvent | None = None
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
            raise errors.PermanentError(f"{path} cannot be read: {follower.unavailable}")
    finally:
        follower.close()


def _reported(parsed: model.LeaseEvent | Skip, data: bytes, filters: Filters, seen: set[str]) -> DryRunRecord:
    if isinstance(parsed, Skip):
        return DryRunRecord(parsed.outcome, reason=parsed.reason, record=excerpt(data) if parsed.malformed else None)
    outcome = filters.outcome(parsed)
    if outcome is None:
        outcome = Outcome.DUPLICATE if parsed.run_id in seen else Outcome.QUEUED
        seen.add(parsed.run_id)
    return DryRunRecord(outcome, parsed)


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
        _compare(status, checkpoint, file)
    return status


def _compare(status: TailerStatus, checkpoint: Checkpoint, file: Path) -> None:
    position = checkpoint.position
    status.offset, status.inode = position.offset, position.inode
    status.saved_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
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
