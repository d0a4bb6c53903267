"""A process that ends before any of its calls that change the disk, or for which one of them fails."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# What changes the disk: a process can die before each of these calls.
CALLS = ("open", "fsync", "replace", "unlink", "mkdir", "chmod", "chown", "fchown", "fchmod")
NEED_ROOM = ("open", "fsync", "mkdir")


class Killed(BaseException):
    """The process ends here: nothing but what is on the disk is left."""


@contextmanager
def failing_at(
    number: int, failure: Callable[[], BaseException], calls: tuple[str, ...] = CALLS
) -> Iterator[list[str]]:
    """Let the call of this number fail, and each one after it; the names of the calls before."""
    done: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in calls:
            real = getattr(os, name)

            def call(*args: Any, _name: str = name, _real: Callable[..., Any] = real, **kwargs: Any) -> Any:
                if _name == "open" and not args[1] & os.O_CREAT:
                    return _real(*args, **kwargs)  # reads
                if len(done) >= number:
                    raise failure()
                done.append(_name)
                return _real(*args, **kwargs)

            patch.setattr(os, name, call)
        yield done


def contents(folder: Path) -> dict[str, bytes]:
    """All files; but for the lock, which names a process."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
