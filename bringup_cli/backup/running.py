"""Whether a Redis runs on a folder: a restore must not move its files away from it."""

import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bringup_cli.backup import append_only

# Seconds for a port of this host to accept: a Redis that reads its append-only file accepts at once, too.
_CONNECT_S = 2.0
_PROCESSES = Path("/proc")
_ANYWHERE = {"*", "0.0.0.0", "::", "-::*"}  # noqa: S104 - what redis.conf may have, compared and not bound


def redis_on(folder: Path, data: Path) -> str | None:
    """What shows that a Redis runs there, for a message; None: nothing does.

    Args:
        folder: of the settings, with redis/redis.conf.
        data: what redis.conf calls ``dir``.
    """
    if pid := next(_users_of(data), None):
        return f"process {pid} has its files open"
    for host, port in _listeners(folder / "redis/redis.conf"):
        with suppress(OSError), socket.create_connection((host, port), timeout=_CONNECT_S):
            return f"{host}:{port}, where its redis.conf listens, answers"
    return None


def _users_of(data: Path) -> Iterator[int]:
    """Processes that work in the folder or have its append-only file open.

    By device and inode, for a Redis in a container knows the folder by another path. Those of other users are seen by
    root alone.
    """
    paths = [data, data / append_only.FOLDER, *(data / append_only.FOLDER).glob("*")]
    wanted = {found for path in paths if (found := _inode(path))}
    for process in _PROCESSES.glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile, or is another user's
            if any(_inode(path) in wanted for path in (process / "cwd", *(process / "fd").iterdir())):
                yield int(process.name)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _listeners(conf: Path) -> Iterator[tuple[str, int]]:
    """Where a Redis with this file listens."""
    with suppress(OSError):
        text = conf.read_text(encoding="utf-8")
        bound = re.search(r"^bind\s+(\S+)", text, re.MULTILINE)
        host = bound[1].removeprefix("-") if bound and bound[1] not in _ANYWHERE else "127.0.0.1"
        for port in re.findall(r"^(?:tls-)?port\s+(\d+)", text, re.MULTILINE):
            if int(port):
                yield host, int(port)
