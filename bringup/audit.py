"""The audit log: who changed what, one JSON object a line, each with the SHA-256 of the line before it.

A line that was altered, removed or moved breaks the chain at the next one (`bringup.audit_chain`). The file is opened
for appending alone. It does not protect against a person who may write all its files and makes the whole chain anew:
ship the lines to another host for that, as any log (docs/operators.md).
"""

import errno
import fcntl
import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bringup import audit_chain, errors, files, model


class AuditResult(StrEnum):
    """What became of a change that a person asked for."""

    REQUESTED = "requested"  # written before the change: without a line after it, a kill came between
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class AuditEntry(BaseModel):
    """One change that a person made, or was refused.

    Args:
        at: by the clock that dates everything else (Redis's in the API).
        who: name of the operator, or of the service whose credential was shown.
        role: operator, viewer, service, or "unknown" where no credential fitted.
        address: from where, as the server saw it.
        action: what was asked for, such as ``run.abort``.
        target: what it was asked of, such as ``run/ID`` or ``device/NAME``.
        before, after: the state that was changed; None where there is none, or nothing was changed.
        certificate: identity in the client certificate, if one was shown.
        detail: the reason that a person gave, or that the change was refused for.
        console: the console at which the person was signed in; None: they called the API themselves.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    who: str
    role: str
    address: str
    action: str
    target: str
    result: AuditResult
    before: str | None = None
    after: str | None = None
    certificate: str | None = None
    detail: str = ""
    console: str | None = None


def _user() -> str:
    try:
        return getpass.getuser()
    except KeyError:  # in a container the user may have no name
        return f"uid {os.getuid()}"


class AuditLog:
    """Appends to one file. Several processes of one host may hold it: each takes the lock for its line.

    Args:
        path: the log; its head is ``path`` with ``.head`` added.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._head = audit_chain.head_of(path)

    def append(self, entry: AuditEntry) -> audit_chain.Head:
        """Add one line and return when it is on disk.

        Raises:
            AuditError: it cannot be written, or what is there is damaged.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self._path), _opened(self._path) as descriptor:
                return self._append(descriptor, entry)
        except OSError as error:
            raise errors.AuditError(
                f"AUDIT_FILE: {self._path} cannot be written: {error.strerror}; nothing is changed without a record"
            ) from None

    def _append(self, descriptor: int, entry: AuditEntry) -> audit_chain.Head:
        last = (
            audit_chain.last_line(descriptor) if os.fstat(descriptor).st_size else audit_chain.last_rotated(self._path)
        )
        newest = max(audit_chain.read_head(self._head), last, key=lambda head: head.number)
        record = {"number": newest.number + 1, **entry.model_dump(mode="json"), "previous": newest.digest}
        line = json.dumps(record, separators=(",", ":")).encode()
        _write_line(descriptor, line + b"\n")
        head = audit_chain.Head(newest.number + 1, audit_chain.digest_of(line))
        audit_chain.write_head(self._head, head)
        return head


@contextmanager
def recorded_on_host(path: Path, action: str, target: str, **states: str) -> Iterator[None]:
    """Record what a person does on the host itself, where no token names them: the user of this process.

    Args:
        path: the audit log.
        action: what is done, such as ``operator.add``.
        target: to what.
        states: ``before`` and ``after``.

    Raises:
        AuditError: it cannot be recorded; nothing was changed.
    """
    log = AuditLog(path)
    entry = AuditEntry(
        at=model.utc_now(),
        who=os.environ.get("SUDO_USER") or _user(),
        role="host",
        address=socket.gethostname(),
        action=action,
        target=target,
        result=AuditResult.REQUESTED,
        **states,
    )
    log.append(entry)
    try:
        yield
    except Exception as error:
        log.append(entry.model_copy(update={"at": model.utc_now(), "result": AuditResult.FAILED, "detail": str(error)}))
        raise
    log.append(entry.model_copy(update={"at": model.utc_now(), "result": AuditResult.DONE}))


def read(path: Path) -> Iterator[AuditEntry]:
    """Every entry, oldest first. Raises AuditError when one cannot be read."""
    for part, place, line in audit_chain.all_lines(path):
        try:
            fields = json.loads(line)
            yield AuditEntry.model_validate({name: fields.get(name) for name in AuditEntry.model_fields})
        except (ValueError, AttributeError):
            raise errors.AuditError(
                f"{part}, line {place}: it cannot be read as an entry: {audit_chain.TAMPERED}"
            ) from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Without it two processes would name the same line as the one before theirs.

    The lock has a file of its own: a process that waits for one on the log itself would get that of a renamed file.
    """
    with _opened(audit_chain.lock_of(path)) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    owner = files.owner_of(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        files.give_to(owner, descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def _write_line(descriptor: int, line: bytes) -> None:
    """On a full disk write() may write a part and report no error: that part is removed again."""
    size = os.fstat(descriptor).st_size
    if os.write(descriptor, line) < len(line):
        os.ftruncate(descriptor, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)
