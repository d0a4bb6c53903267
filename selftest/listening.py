"""Which programs of ours listen on this host, by what the kernel shows: Linux's /proc.

Only ports of our own programs are asked anything: others might not bear a request.

Source: proc(5), /proc/net/tcp and /proc/PID/fd.
"""

import re
import socket
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_LISTEN, _ESTABLISHED = "0A", "01"  # tcp_states.h
_OURS = re.compile(rb"bringup|gunicorn")


@dataclass(frozen=True)
class Listening:
    """A port on which one of our programs listens, and its processes, the oldest first: it starts the others anew."""

    host: str
    port: int
    pids: tuple[int, ...]


@dataclass(frozen=True)
class _Socket:
    local: tuple[str, int]
    remote: tuple[str, int]
    state: str
    inode: str


def listening_sockets() -> list[Listening] | None:
    """Those that this user may see; None: the system does not show them."""
    if not (_PROC / "net/tcp").exists():
        return None
    pids = _pids_by_inode()
    found = [one for one in _sockets() if one.state == _LISTEN and one.inode in pids]
    return [Listening(_reachable(one.local[0]), one.local[1], tuple(sorted(pids[one.inode]))) for one in found]


def works_with(pids: tuple[int, ...], server: tuple[str, int]) -> bool:
    """Whether one of these processes is connected to a server.

    Args:
        pids: of one program.
        server: host and port.
    """
    with suppress(OSError):
        addresses = {info[4][0] for info in socket.getaddrinfo(*server, type=socket.SOCK_STREAM)}
        wanted = {(_plain(str(address)), server[1]) for address in addresses}
        inodes = {one.inode for one in _sockets() if one.state == _ESTABLISHED and one.remote in wanted}
        return any(inode in inodes for pid in pids for inode in _inodes_of(pid))
    return False


def _reachable(host: str) -> str:
    """An address to connect to, where one listens on all."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared with, never listened on


def _sockets() -> Iterator[_Socket]:
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / name).read_text().splitlines()[1:]:
                words = line.split()
                yield _Socket(_address(words[1]), _address(words[2]), words[3], words[9])


def _address(text: str) -> tuple[str, int]:
    """Words of 32 bits in the byte order of this host; on every machine that we run on, the lowest byte is first."""
    raw, _, port = text.partition(":")
    octets = b"".join(bytes.fromhex(raw[at : at + 8])[::-1] for at in range(0, len(raw), 8))
    family = socket.AF_INET if len(octets) == 4 else socket.AF_INET6
    return _plain(socket.inet_ntop(family, octets)), int(port, 16)


def _plain(address: str) -> str:
    """An IPv4 address as such, also where a socket for both families has it."""
    return address.removeprefix("::ffff:")


def _pids_by_inode() -> dict[str, list[int]]:
    found = defaultdict[str, list[int]](list)
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            if _OURS.search((folder / "cmdline").read_bytes()):
                for inode in _inodes_of(int(folder.name)):
                    found[inode].append(int(folder.name))
    return found


def _inodes_of(pid: int) -> Iterator[str]:
    """The sockets of a process; none where this user may not look."""
    with suppress(OSError):
        for link in (_PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                target = str(link.readlink())
                if target.startswith("socket:["):
                    yield target[8:-1]
