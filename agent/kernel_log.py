"""The kernel's log. Source: Linux Documentation/ABI/testing/dev-kmsg."""

import os
from pathlib import Path

_MOST = 1024**2
_RECORD = 8192


def lines(root: Path) -> list[str] | None:
    """Its messages, oldest first, control characters as the kernel escapes them; None where it cannot be read."""
    try:
        descriptor = os.open(root / "dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        raw = _drain(descriptor)
    finally:
        os.close(descriptor)
    return [_message(line) for line in raw.decode("utf-8", "replace").splitlines() if line[:1] not in ("", " ")]


def text(root: Path) -> bytes:
    """All of it, as a file."""
    return "".join(f"{line}\n" for line in lines(root) or ()).encode()


def _drain(descriptor: int) -> bytes:
    """A record a read until there is no more; one that was overwritten meanwhile (EPIPE) is passed over."""
    found = bytearray()
    while len(found) < _MOST:
        try:
            record = os.read(descriptor, _RECORD)
        except BrokenPipeError:
            continue
        except OSError:
            break
        if not record:
            break
        found += record
    return bytes(found)


def _message(line: str) -> str:
    """``priority,sequence,microseconds,flags;message`` as dmesg shows it."""
    head, _, message = line.partition(";")
    fields = head.split(",")
    if len(fields) < 3 or not fields[2].isdigit():
        return message or line
    return f"[{int(fields[2]) / 1e6:12.6f}] {message}"
