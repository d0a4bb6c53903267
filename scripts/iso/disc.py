"""Puts the disc together: what BIOS and UEFI start, the kernel, and the two archives."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from scripts.iso.debian import EPOCH, BuildError, Packages

MANIFEST = "bringup-validation.iso.manifest"  # GRUB knows the disc by this file
LABEL = "BRINGUP_VALIDATION"
SERIAL = "b816b816"  # of the FAT file system that UEFI reads
GRUB = "usr/lib/grub/i386-pc"
BIOS_MODULES = [
    *("biosdisk", "iso9660", "part_msdos", "search", "configfile", "normal", "test"),
    *("echo", "serial", "terminal", "linux", "sleep", "halt"),
]
EFI_PROGRAMS = {  # shim is the one that Microsoft has signed; it starts grubx64.efi, which reads CDs and runs no menu
    "BOOTX64.EFI": "usr/lib/shim/shimx64.efi.signed",
    "grubx64.efi": "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed",
}


def add_boot(packages: Packages, source: Path, disc: Path) -> None:
    """Adds the kernel, GRUB for BIOS, and its configuration, which UEFI's GRUB shares, to the disc's folder.

    Args:
        packages: hold the kernel and GRUB.
        source: the folder scripts/iso.
        disc: the folder whose content becomes the disc's.
    """
    grub = disc / "boot/grub"
    grub.mkdir(parents=True)
    shutil.copyfile(packages.one("boot/vmlinuz-*"), disc / "boot/vmlinuz")
    shutil.copyfile(source / "boot/grub.cfg", grub / "grub.cfg")
    packages.run(
        "usr/bin/grub-mkimage",
        *("--format", "i386-pc-eltorito", "--prefix", "/boot/grub"),
        *("--directory", packages.root / GRUB),
        *("--config", source / "boot/find.cfg"),
        *("--output", grub / "bios.img"),
        *BIOS_MODULES,
    )


def make_efi(packages: Packages, source: Path, work: Path) -> Path:
    """Makes the FAT file system that UEFI starts from, and returns its path.

    Args:
        packages: hold shim and GRUB.
        source: the folder scripts/iso.
        work: the folder to write to.
    """
    image = work / "efi.img"
    config = shutil.copyfile(source / "boot/find.cfg", work / "grub.cfg")
    programs = [shutil.copyfile(packages.root / path, work / name) for name, path in EFI_PROGRAMS.items()]
    size_kb = 256 + sum(path.stat().st_size for path in programs) // 1024
    image.write_bytes(bytes(size_kb // 32 * 32 * 1024))
    tracks = str(size_kb // 32)
    _mtools(packages, "mformat", image, "-N", SERIAL, "-v", "BRINGUP", "-h", "2", "-s", "32", "-t", tracks, "::")
    _mtools(packages, "mmd", image, "::/EFI", "::/EFI/BOOT", "::/boot", "::/boot/grub")
    _age([config, *programs])
    _mtools(packages, "mcopy", image, "-m", *programs, "::/EFI/BOOT")
    _mtools(packages, "mcopy", image, "-m", config, "::/boot/grub")
    return image


def write(packages: Packages, disc: Path, efi: Path, output: Path) -> None:
    """Writes the ISO 9660 image: for CD drives and USB sticks, BIOS and UEFI.

    Args:
        packages: hold xorriso.
        disc: the folder whose content becomes the disc's.
        efi: the file system that UEFI starts from.
        output: the image.
    """
    _age([disc, *disc.rglob("*")])
    packages.run(
        "usr/bin/xorriso",
        *("-no_rc", "-as", "mkisofs", "-quiet", "-o", output, "-r", "-J", "-V", LABEL),
        *("-b", "boot/grub/bios.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"),
        *("--grub2-boot-info", "--grub2-mbr", packages.root / GRUB / "boot_hybrid.img"),
        *("-append_partition", "2", "0xef", efi, "-eltorito-alt-boot"),
        *("-e", "--interval:appended_partition_2:all::", "-no-emul-boot", disc),
    )


def find_once(image: Path, head: bytes) -> int:
    """Where the area for a run's parameters lies in the image.

    Raises:
        BuildError: it is not in there exactly once.
    """
    data = image.read_bytes()
    if data.count(head) != 1:
        raise BuildError(f"the image holds the area for a run's parameters {data.count(head)} times, not once")
    return data.index(head)


def _mtools(packages: Packages, name: str, image: Path, *arguments: str | Path) -> None:
    env = {"MTOOLS_SKIP_CHECK": "1", "MTOOLSRC": "/dev/null"}
    packages.run("usr/bin/mtools", "-i", image, *arguments, called=name, env=env)


def _age(paths: Iterable[Path]) -> None:
    """Gives all of them the image's one date, and the same rights whatever the umask is."""
    for path in paths:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (EPOCH, EPOCH))
