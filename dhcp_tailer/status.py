"""The status of a tailer, seen from outside: from its checkpoint, its lock and the file itself."""

from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel

from bringup.errors import PermanentError
from bringup.settings import Settings
from dhcp_tailer.accounting import Outcome
from dhcp_tailer.checkpoint import Checkpoint, checkpoint_file, is_locked, read_checkpoint


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
        raise PermanentError(f"{file} is damaged; the tailer reads from the beginning when it starts") from None
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
