"""The disks. Source: Linux Documentation/ABI/stable/sysfs-block; SPC-4 s.7.8.15 (Unit Serial Number)."""

import re
from pathlib import Path

from agent.inventory.smart import smart
from agent.system import System
from agent.text import device_text, names, read_number, read_text

_SECTOR = 512  # the unit of /sys/block/*/size, whatever the disk's own
_NOT_A_DISK = re.compile(r"(ram|loop|sr|fd|zram|dm-|md|nbd|mtdblock)[0-9]+|mmcblk[0-9]+(boot[0-9]+|rpmb)")


def disks(root: Path, system: System) -> list[dict[str, object]]:
    """As `bringup.wire.report.Disk` has them, by name."""
    return [_disk(root / "sys/block" / name, system) for name in block_devices(root)]


def block_devices(root: Path) -> list[str]:
    """The names of the disks that are the machine's own.

    Removable media are not: they are virtual media of the BMC, this image among them. Hidden ones are the single
    paths of a multipath NVMe disk that is listed already.
    """
    folder = root / "sys/block"
    return [name for name in names(folder) if not _NOT_A_DISK.fullmatch(name) and _is_disk(folder / name)]


def _is_disk(folder: Path) -> bool:
    flags = (folder / "removable", folder / "hidden")
    return bool(read_number(folder / "size")) and not any(read_number(flag) for flag in flags)


def _disk(folder: Path, system: System) -> dict[str, object]:
    rotational = read_number(folder / "queue/rotational")
    path = f"/dev/{folder.name.replace('!', '/')}"  # cciss!c0d0
    return {
        "name": path,
        "size": (read_number(folder / "size") or 0) * _SECTOR,
        "model": device_text(read_text(folder / "device/model")),
        "serial": device_text(_serial(folder)),
        "wwn": device_text(_wwn(folder)),
        "rotational": None if rotational is None else rotational == 1,
        "type": _type(folder.name, rotational),
        **smart(path, system),
    }


def _type(name: str, rotational: int | None) -> str | None:
    if name.startswith("nvme"):
        return "nvme"
    return None if rotational is None else "hdd" if rotational else "ssd"


def _serial(folder: Path) -> str:
    """virtio and NVMe have it in a file; of SCSI and SATA it is a page with four bytes of header."""
    plain = read_text(folder / "serial") or read_text(folder / "device/serial")
    if plain:
        return plain
    try:
        page = (folder / "device/vpd_pg80").read_bytes()
    except OSError:
        return ""
    return page[4 : 4 + int.from_bytes(page[2:4], "big")].decode("ascii", "replace").strip(" \0")


def _wwn(folder: Path) -> str:
    """As udev, and so Ironic, writes it: ``0x`` for NAA names."""
    name = read_text(folder / "device/wwid") or read_text(folder / "wwid")
    return f"0x{name[4:]}" if name.startswith("naa.") else name
