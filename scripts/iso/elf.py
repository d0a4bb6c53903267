"""The shared libraries that a program needs. Source: System V ABI, "Dynamic Section"."""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from scripts.iso.debian import LIBRARIES, BuildError, Packages

PT_LOAD, PT_DYNAMIC = 1, 2
DT_NEEDED, DT_STRTAB = 1, 5


def needed(data: bytes) -> list[str]:
    """Names of the libraries that this file asks for; none when it is no 64-bit little-endian ELF file."""
    if data[:6] != b"\x7fELF\x02\x01":
        return []
    segments = list(_segments(data))
    dynamic = [
        entry for kind, offset, _, size in segments if kind == PT_DYNAMIC for entry in _dynamic(data, offset, size)
    ]
    strings = next((_file_offset(segments, value) for tag, value in dynamic if tag == DT_STRTAB), 0)
    return [_string(data, strings + value) for tag, value in dynamic if tag == DT_NEEDED]


def libraries(packages: Packages, programs: Iterable[Path]) -> list[Path]:
    """All libraries that these programs need, and those that the libraries need, sorted.

    Raises:
        BuildError: no package holds one of them.
    """
    found: dict[str, Path] = {}
    wanted = [(name, program) for program in programs for name in needed(program.read_bytes())]
    while wanted:
        name, asker = wanted.pop()
        if name in found:
            continue
        found[name] = packages.root / LIBRARIES / name
        if not found[name].exists():
            raise BuildError(f"{asker.name} needs {name}, which no package of scripts/iso/packages holds: add it there")
        wanted += [(more, found[name]) for more in needed(found[name].read_bytes())]
    return sorted(found.values())


def _segments(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    (table,) = struct.unpack_from("<Q", data, 0x20)
    size, count = struct.unpack_from("<HH", data, 0x36)
    for at in range(table, table + size * count, size):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, at)
        yield kind, offset, address, length


def _dynamic(data: bytes, offset: int, size: int) -> Iterator[tuple[int, int]]:
    yield from struct.iter_unpack("<qQ", data[offset : offset + size])


def _file_offset(segments: list[tuple[int, int, int, int]], address: int) -> int:
    for kind, offset, start, size in segments:
        if kind == PT_LOAD and start <= address < start + size:
            return offset + address - start
    raise BuildError("a program's dynamic section points outside of it: the package is damaged")


def _string(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()
