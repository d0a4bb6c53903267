"""Writes an initramfs archive that depends on names and contents alone. Source: Linux, buffer-format.rst ("newc")."""

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CpioEntry:
    """One file of the archive: owned by root, dated 1970, with one link."""

    name: str  # from the root, without a slash at its start
    mode: int  # type and permissions, as in stat(2)
    data: bytes = b""  # a symbolic link's target
    device: tuple[int, int] = (0, 0)  # of a device node: major, minor


CONSOLE = CpioEntry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))  # the kernel gives it to the first process
ROOT = 0o755
PLAIN = 0o644


def folder(name: str) -> CpioEntry:
    """A folder that all may read."""
    return CpioEntry(name, stat.S_IFDIR | ROOT)


def file(name: str, data: bytes, *, executable: bool = False) -> CpioEntry:
    """A file that all may read.

    Args:
        name: from the root, without a slash at its start.
        data: its content.
        executable: all may execute it, too.
    """
    return CpioEntry(name, stat.S_IFREG | (ROOT if executable else PLAIN), data)


def entries(root: Path) -> Iterator[CpioEntry]:
    """What lies below a folder. Of its permissions only the owner's right to execute counts: the umask does not."""
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            yield CpioEntry(name, stat.S_IFLNK | 0o777, str(path.readlink()).encode())
        elif path.is_dir():
            yield folder(name)
        else:
            yield file(name, path.read_bytes(), executable=bool(path.stat().st_mode & stat.S_IXUSR))


def archive(members: Iterable[CpioEntry]) -> bytes:
    """The archive, sorted by name: a folder comes before what it holds."""
    numbered = enumerate(sorted(members, key=lambda entry: entry.name), start=1)
    packed = b"".join(_packed(entry, number) for number, entry in numbered)
    return _padded(packed + _packed(CpioEntry("TRAILER!!!", 0), 0), 512)


def _packed(entry: CpioEntry, inode: int) -> bytes:
    name = entry.name.encode() + b"\0"
    major, minor = entry.device
    fields = (inode, entry.mode, 0, 0, 1, 0, len(entry.data), 0, 0, major, minor, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name, 4) + _padded(entry.data, 4)


def _padded(data: bytes, size: int) -> bytes:
    return data + bytes(-len(data) % size)
