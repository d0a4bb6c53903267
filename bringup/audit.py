"""The audit log: who changed what, one JSON object a line, each with the SHA-256 of the line before it.

A line that was altered, removed or moved breaks the chain at the next one. For the end of the file there is a head
beside it: the number and the hash of the newest line. It is written after the line, so a process that is killed between
the two leaves a file that is ahead of its head, and never one that is behind it.

The file is opened for appending alone. It does not protect against a person who may write both files and makes the
whole chain anew: ship the lines to another host for that, as any log (docs/audit.md).
"""

import fcntl
import getpass
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bringup.errors import AuditError
from bringup.files import write_atomically
from bringup.model import utc_now

_FIRST = "0" * 64  # what the first line names as the hash of the line before it
# A line is what we wrote, of bounded fields; what is longer was not written by us. Bounds memory when a file is read.
_LONGEST_LINE_BYTES = 256 * 1024
_TAMPERED = "a line was altered, removed or moved"


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


def entry_of_host(action: str, target: str, **states: str) -> AuditEntry:
    """The line about what a person does on the host itself, where no token names them: the user of this process.

    Args:
        action: what is done, such as ``operator.add``.
        target: to what.
        states: ``before`` and ``after``.
    """
    return AuditEntry(
        at=utc_now(),
        who=os.environ.get("SUDO_USER") or getpass.getuser(),
        role="host",
        address=socket.gethostname(),
        action=action,
        target=target,
        result=AuditResult.DONE,
        **states,
    )


@dataclass(frozen=True)
class Head:
    """The newest line: how many there are, and its SHA-256 as hex."""

    number: int = 0
    digest: str = _FIRST


class AuditLog:
    """Appends to one file. Several processes of one host may hold it: each takes the lock for its line.

    Args:
        path: the log; its head is ``path`` with ``.head`` added.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._head = head_of(path)

    def append(self, entry: AuditEntry) -> Head:
        """Add one line and return when it is on disk.

        Raises:
            AuditError: it cannot be written, or what is there is damaged.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self._path) as descriptor:
                return self._append(descriptor, entry)
        except OSError as error:
            raise AuditError(
                f"AUDIT_FILE: {self._path} cannot be written: {error.strerror}; nothing is changed without a record"
            ) from None

    def _append(self, descriptor: int, entry: AuditEntry) -> Head:
        newest = max(_read_head(self._head), _last_line(descriptor), key=lambda head: head.number)
        record = {"number": newest.number + 1, **entry.model_dump(mode="json"), "previous": newest.digest}
        line = json.dumps(record, separators=(",", ":")).encode()
        os.write(descriptor, line + b"\n")
        os.fsync(descriptor)
        head = Head(newest.number + 1, _digest(line))
        _write_head(self._head, head)
        return head


def head_of(path: Path) -> Path:
    """Where the head of an audit log is."""
    return path.with_name(f"{path.name}.head")


def verify(path: Path) -> Head:
    """The newest line of a log that is whole and unaltered.

    Raises:
        AuditError: a line is missing, was altered or moved, or cannot be read; it names the first such line.
    """
    newest, head = Head(), _read_head(head_of(path))
    for number, line in enumerate(_lines(path), 1):
        if _link(line) != (number, newest.digest):
            raise AuditError(f"{path}, line {number}: it does not follow the line before it: {_TAMPERED}")
        newest = Head(number, _digest(line))
        if number == head.number and newest != head:
            raise AuditError(f"{path}, line {number}: it is not the line that {head_of(path)} names: {_TAMPERED}")
    if newest.number < head.number:
        raise AuditError(f"{path}: ends at line {newest.number} of {head.number}: lines at its end were removed")
    return newest


def read(path: Path) -> Iterator[AuditEntry]:
    """Every entry, oldest first. Raises AuditError when one cannot be read."""
    for number, line in enumerate(_lines(path), 1):
        try:
            fields = json.loads(line)
            yield AuditEntry.model_validate({name: fields.get(name) for name in AuditEntry.model_fields})
        except (ValueError, AttributeError):
            raise AuditError(f"{path}, line {number}: it cannot be read as an entry: {_TAMPERED}") from None


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The open log. Without the lock two processes would name the same line as the one before theirs."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _last_line(descriptor: int) -> Head:
    """Number and hash of the last whole line; what a full disk has left of a line is cut off, for it has no end."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - 2 * _LONGEST_LINE_BYTES)
    tail = os.pread(descriptor, size - start, start)
    whole = tail[: tail.rfind(b"\n") + 1]
    if len(whole) < len(tail):
        os.ftruncate(descriptor, start + len(whole))
    lines = whole.splitlines()
    if not lines:
        return Head()
    number, _ = _link(lines[-1])
    return Head(number, _digest(lines[-1]))


def _link(line: bytes) -> tuple[int, str]:
    """The number of a line, and the hash of the one before it; (0, "") when it is no line of ours."""
    try:
        record = json.loads(line)
        return int(record["number"]), str(record["previous"])
    except (ValueError, KeyError, TypeError):
        return 0, ""


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while line := file.readline(_LONGEST_LINE_BYTES):
                yield line.removesuffix(b"\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise AuditError(f"AUDIT_FILE: {path} cannot be read: {error.strerror}") from None


def _read_head(path: Path) -> Head:
    try:
        number, digest = path.read_text(encoding="ascii").split()
        return Head(int(number), digest)
    except FileNotFoundError:
        return Head()
    except (OSError, ValueError):
        raise AuditError(f"{path} cannot be read: it holds the number and the SHA-256 of the newest line") from None


def _write_head(path: Path, head: Head) -> None:
    write_atomically(path, f"{head.number} {head.digest}\n".encode())


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
