"""Opening what is followed: under a lock, by the follower that the parser needs, and where the checkpoint left it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from bringup import errors, log
from bringup.text import printable
from dhcp_tailer import filters, open_file, snapshots
from dhcp_tailer.accounting import Accounting
from dhcp_tailer.checkpoint import read_checkpoint
from dhcp_tailer.follower import BATCH, FileFollower
from dhcp_tailer.sources.dnsmasq_leases import DnsmasqLeases
from dhcp_tailer.sources.parser import Parser

_log = log.get(__name__)
# Seconds for a lock: the child of a tailer that was killed, which writes its checkpoint, holds it until it is dead too.
_LOCK_TIMEOUT_S = 1.0
_LOCK_LOOK_S = 0.02

Follower = FileFollower | snapshots.SnapshotFollower


def resume(
    path: Path,
    parser: Parser,
    accounting: Accounting,
    file: Path,
    *,
    from_end: bool,
    first_pass: filters.FirstPass | None = None,
) -> Follower:
    """A follower of ``path`` that begins at the checkpoint; parser and accounting get their state from it.

    A damaged checkpoint costs time and no lease: a lease that is read twice is one run.

    Args:
        path: of the followed file.
        parser: reads its records.
        accounting: counts them.
        file: of the checkpoint.
        from_end: without a checkpoint, leave out what the file holds already.
        first_pass: goes on where the checkpoint left it.
    """
    try:
        checkpoint = read_checkpoint(file)
        if checkpoint is None:
            return open_follower(path, parser, from_end=from_end)
        checkpoint.restore(parser)
        accounting.restore(checkpoint.counts, checkpoint.last_record_at, checkpoint.reader)
        if first_pass:
            first_pass.since = checkpoint.first_start
    except ValueError as error:
        _log.error("the checkpoint is damaged; reading from the beginning", checkpoint=str(file), why=_damage(error))
        return open_follower(path, parser)
    return open_follower(path, parser, checkpoint.position)


def open_follower(
    path: Path, parser: Parser, position: open_file.Position | None = None, *, from_end: bool = False
) -> Follower:
    """A follower of the file at ``path``, of the kind that ``parser`` needs.

    Args:
        path: the file; it may not exist yet.
        parser: has its state already.
        position: where to go on; None is the beginning.
        from_end: without a position, leave out what the file holds already. The parser of a lease file must
            have read the old leases, to recognise the new ones: it reads all of the file here.
    """
    if isinstance(parser, DnsmasqLeases):
        follower: Follower = snapshots.SnapshotFollower(path, lambda: parser.reported, position)
        is_lease_file = True
    else:
        is_lease_file = parser.layout.is_lease_file
        follower = FileFollower(path, position, from_end=from_end and not is_lease_file, layout=parser.layout)
    if from_end and is_lease_file and position is None:
        _learn(follower, parser)
    return follower


def _damage(error: ValueError) -> str:
    """The reason why a checkpoint is damaged, without its content: pydantic's own text would print that."""
    return f"{error.error_count()} things in it are wrong" if isinstance(error, ValidationError) else str(error)


def _learn(follower: Follower, parser: Parser) -> None:
    while records := follower.poll(BATCH):
        for record in records:
            if not record.damage:
                parser.parse(record.data)
            follower.done(record)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` for the length of a block; the kernel releases it when we die.

    Without it two tailers of one file would write into each other's temporary file, and damage the checkpoint.

    Raises:
        PermanentError: another process holds it, or it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise errors.PermanentError(
            f"{error.filename or path} cannot be written: {error.strerror}; check STATE_DIR"
        ) from None
    try:
        _lock(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file ``path``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock(descriptor: int, path: Path) -> None:
    try:
        _lock_within(_LOCK_TIMEOUT_S, descriptor)
    except BlockingIOError:
        holder = printable(os.pread(descriptor, 64, 0).decode("ascii", "replace").strip())
        raise errors.PermanentError(
            f"another tailer ({holder or 'unknown'}) follows this file; it holds {path}"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()}\n".encode(), 0)


def _lock_within(seconds: float, descriptor: int) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_LOCK_LOOK_S)
