"""Lays out the root file system that the machine runs from, in memory."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from scripts.iso import cpio
from scripts.iso.debian import LIBRARIES, LOADER, Packages
from scripts.iso.libraries import libraries
from scripts.iso.modules import copy_modules
from scripts.iso.stdlib import AGENT, copy_agent, copy_python

MERGED = ("bin", "sbin", "lib", "lib64")
EMPTY = ("dev", "proc", "sys", "run", "root", "tmp", "etc/bringup", "lib/firmware")
PROGRAMS = {"usr/sbin/smartctl": "usr/sbin/smartctl", "bin/kmod": "usr/bin/kmod", "bin/busybox": "usr/bin/busybox"}


def lay_out(packages: Packages, source: Path, agent: Path, target: Path) -> None:
    """Fills a folder with the image's root.

    Args:
        packages: hold the programs, libraries and drivers.
        source: the folder scripts/iso.
        agent: the agent's package.
        target: the folder to fill.
    """
    for name in MERGED:
        (target / "usr" / name).mkdir(parents=True)
        (target / name).symlink_to(f"usr/{name}")
    for name in EMPTY:
        (target / name).mkdir(parents=True)
    _copy_programs(packages, target)
    copy_python(packages, target)
    copy_agent(agent, target)
    _copy_libraries(packages, target)
    copy_modules(packages, _words(source / "modules"), target)
    shutil.copytree(source / "root", target, symlinks=True, dirs_exist_ok=True)
    _try_agent(target)


def add_options(target: Path, firmware: Path | None, *, debug_shell: bool) -> None:
    """Adds what a builder may ask for.

    Args:
        target: the image's root.
        firmware: a folder that becomes /lib/firmware.
        debug_shell: a root shell runs on the console.
    """
    if firmware:
        shutil.copytree(firmware, target / "usr/lib/firmware", symlinks=True, dirs_exist_ok=True)
    if debug_shell:
        (target / "etc/bringup/debug-shell").touch()


def packed(target: Path) -> bytes:
    """The archive of the laid out root, for the kernel."""
    return cpio.archive([*cpio.entries(target), cpio.CONSOLE])


def _try_agent(target: Path) -> None:
    """Imports the agent, and what it needs later, from the image's own files: a lack shows here, not on a machine."""
    home = {"PYTHONHOME": str(target / "usr"), "PYTHONPATH": str(target / AGENT.parent)}
    Packages(target).run(
        "usr/bin/python3", "-sSB", "-c", "import agent.dependencies; agent.dependencies.modules()", env=home
    )


def _words(path: Path) -> list[str]:
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _copy_programs(packages: Packages, target: Path) -> None:
    for name, place in PROGRAMS.items():
        shutil.copy(packages.root / name, target / place)
    (target / "usr/sbin/modprobe").symlink_to("../bin/kmod")
    for applet in packages.run("bin/busybox", "--list-full").split():
        _link(target / "usr/bin" / Path(applet).name)


def _link(place: Path) -> None:
    """Busybox is every program that the image does not have in full."""
    if not place.exists() and not (place.parent.parent / "sbin" / place.name).exists():
        place.symlink_to("busybox")


def _copy_libraries(packages: Packages, target: Path) -> None:
    found = libraries(packages, _binaries(target))
    (target / LIBRARIES).mkdir()
    for path in found:
        shutil.copyfile(path, target / LIBRARIES / path.name)
    (target / LIBRARIES / LOADER).chmod(0o755)
    (target / "usr/lib64" / LOADER).symlink_to(f"../lib/x86_64-linux-gnu/{LOADER}")


def _binaries(target: Path) -> Iterable[Path]:
    return sorted(path for path in target.rglob("*") if path.is_file() and not path.is_symlink())
