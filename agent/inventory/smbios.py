"""The firmware's own list of the machine's parts, strictly read. Source: DMTF DSP0134 3.7."""

from collections.abc import Iterator
from typing import NamedTuple

_MEMORY_ARRAY, _MEMORY_DEVICE, _TPM_DEVICE, _END_OF_TABLE = 16, 17, 43, 127
_SYSTEM_MEMORY = 3  # table 72, Use
# Values of a 16-bit field that are no number: not known, and too large for it (an extended field has it).
_UNKNOWN_WORD, _EXTENDED = 0xFFFF, 0x7FFF
_PERSISTENT = range(4, 8)  # table 82, Memory Technology: NVDIMM-N, -F, -P, Optane
_MIB = 1024**2


class Structure(NamedTuple):
    """One structure (s.6.1.2): its formatted area, header included, and its strings."""

    kind: int
    handle: int
    area: bytes
    strings: tuple[str, ...]

    def number(self, offset: int, size: int) -> int | None:
        """A little-endian field; None where this version of the structure does not reach so far."""
        end = offset + size
        return int.from_bytes(self.area[offset:end], "little") if end <= len(self.area) else None

    def text(self, offset: int) -> str:
        """The string that a field points to (s.6.1.3); "" for none."""
        index = self.number(offset, 1) or 0
        return self.strings[index - 1].strip() if 0 < index <= len(self.strings) else ""


class Module(NamedTuple):
    """One memory module that is in its slot.

    Args:
        slot: its name on the board.
        size_mb: MiB.
        serial: of the module.
        speed_mts: MT/s that it is set to run at; None: unknown.
    """

    slot: str
    size_mb: int
    serial: str
    speed_mts: int | None = None


def structures(table: bytes) -> Iterator[Structure]:
    """Every whole structure of a table; ends at its end mark, or at the first structure that is not valid."""
    at = 0
    while at + 4 <= len(table):
        kind, length = table[at], table[at + 1]
        end = table.find(b"\0\0", at + length)
        if length < 4 or at + length > len(table) or end < 0:
            return
        handle = int.from_bytes(table[at + 2 : at + 4], "little")
        raw = table[at + length : end]
        yield Structure(kind, handle, table[at : at + length], tuple(s.decode("latin-1") for s in raw.split(b"\0")))
        if kind == _END_OF_TABLE:
            return
        at = end + 2


def modules(table: bytes) -> list[Module]:
    """The modules of the system's memory: no video memory, no flash, no empty slot."""
    found = list(structures(table))
    other = {s.handle for s in found if s.kind == _MEMORY_ARRAY and s.number(5, 1) != _SYSTEM_MEMORY}
    devices = (s for s in found if s.kind == _MEMORY_DEVICE and s.number(4, 2) not in other)
    return [
        Module(device.text(0x10), size_mb, device.text(0x18), _speed_mts(device))
        for device in devices
        if (size_mb := _size_mb(device))
    ]


def tpm_major(table: bytes) -> int | None:
    """The major version of the TPM's specification (s.7.44); None where the table lists no TPM."""
    return next((device.number(0x08, 1) for device in structures(table) if device.kind == _TPM_DEVICE), None)


def _speed_mts(device: Structure) -> int | None:
    """Configured Memory Speed, or its extended field (s.7.18.4); not the speed that the module could run at."""
    speed = device.number(0x20, 2)
    if speed == _UNKNOWN_WORD:
        speed = (device.number(0x58, 4) or 0) & 0x7FFFFFFF
    return speed or None


def _size_mb(device: Structure) -> int:
    """Size, or Extended Size from 32 GiB - 1 MiB on (s.7.18.4, s.7.18.5); persistent memory is not counted."""
    if device.number(0x28, 1) in _PERSISTENT:
        volatile = device.number(0x3C, 8)
        return 0 if volatile in (None, 2**64 - 1) else (volatile or 0) // _MIB
    size = device.number(0x0C, 2)
    if size is None or size == _UNKNOWN_WORD:
        return 0
    if size == _EXTENDED:
        return (device.number(0x1C, 4) or 0) & 0x7FFFFFFF
    return (size & 0x7FFF) // 1024 if size & 0x8000 else size  # bit 15: in KiB
