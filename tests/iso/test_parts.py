"""The parts of the builder that need no packages."""

import os
import shutil
import stat
import struct
import sys
from pathlib import Path

import pytest

from bringup.wire import machine
from scripts.iso import cpio, modules, parameters
from scripts.iso.debian import LIBRARIES, LOADER, BuildError, Packages
from scripts.iso.libraries import libraries

builder = pytest.mark.skipif(
    (sys.platform, os.uname().machine) != ("linux", "x86_64"), reason="images are built on Linux on x86-64 only"
)


def names(archive: bytes) -> list[str]:
    """The names in an archive, by the sizes in its headers."""
    found: list[str] = []
    at = 0
    while True:
        size, length = (int(archive[at + place : at + place + 8], 16) for place in (54, 94))
        name = archive[at + 110 : at + 110 + length - 1].decode()
        if name == "TRAILER!!!":
            return found
        found.append(name)
        at = (at + 110 + length + 3) // 4 * 4
        at = (at + size + 3) // 4 * 4


def test_the_area_is_the_one_that_the_api_looks_for() -> None:
    assert (parameters.AREA_HEAD, parameters.AREA_SIZE) == (machine.AREA_HEAD, machine.AREA_SIZE)


def test_the_run_archive_holds_a_blank_area_and_its_folders() -> None:
    archive = parameters.blank()
    assert names(archive) == ["etc", "etc/bringup", "etc/bringup/run.json"]
    assert machine.AREA_HEAD.ljust(machine.AREA_SIZE) in archive


def test_an_archive_does_not_depend_on_the_order_of_its_files() -> None:
    members = [cpio.folder("a"), cpio.file("a/b", b"1"), cpio.file("c", b"2")]
    assert cpio.archive(members) == cpio.archive(reversed(members))


def test_an_archive_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    archives = []
    for mode in (0o600, 0o664):
        (tmp_path / "file").write_text("the same")
        (tmp_path / "file").chmod(mode)
        archives.append(cpio.archive(cpio.entries(tmp_path)))
    assert archives[0] == archives[1]


def test_an_archive_keeps_links_and_programs(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("program")
    (tmp_path / "program").write_text("#!")
    (tmp_path / "program").chmod(0o700)
    found = {entry.name: entry for entry in cpio.entries(tmp_path)}
    assert (stat.S_ISLNK(found["link"].mode), found["link"].data) == (True, b"program")
    assert stat.S_IMODE(found["program"].mode) == 0o755


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    """Packages with this host's loader, and no library."""
    place = tmp_path / "packages" / LIBRARIES
    place.mkdir(parents=True)
    shutil.copy(f"/lib64/{LOADER}", place)
    return Packages(tmp_path / "packages")


@builder
def test_the_libraries_of_a_program_and_of_its_libraries_are_listed(packages: Packages) -> None:
    folder = packages.root / LIBRARIES
    for name in ("libc.so.6", "libm.so.6"):
        shutil.copy(f"/lib/x86_64-linux-gnu/{name}", folder)
    found = libraries(packages, [Path("/usr/bin/env"), folder / "libm.so.6"])
    assert found == [folder / name for name in (LOADER, "libc.so.6")]


@builder
def test_a_script_and_a_static_program_need_no_library(packages: Packages, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_bytes(b"#!/bin/sh\n")
    static = tmp_path / "static"
    static.write_bytes(_static_program())
    assert libraries(packages, [script, static]) == []


@builder
def test_a_library_that_no_package_holds_is_named_though_this_host_has_it(packages: Packages) -> None:
    with pytest.raises(BuildError, match=r"env needs libc\.so\.6, which no package"):
        libraries(packages, [Path("/usr/bin/env")])


def _static_program() -> bytes:
    """The least ELF program: one segment, no loader, no libraries. Source: System V ABI, "Object Files"."""
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 0x78, 0x78, 0x1000)


def test_modules_bring_what_they_depend_on() -> None:
    depends = {"kernel/a.ko": ["kernel/b.ko"], "kernel/b.ko": ["kernel/c.ko"], "kernel/c.ko": [], "kernel/d.ko": []}
    assert modules.closure(modules.select(["a.ko"], depends), depends) == ["kernel/a.ko", "kernel/b.ko", "kernel/c.ko"]


def test_a_pattern_that_fits_no_module_is_named() -> None:
    with pytest.raises(BuildError, match=r"drivers/gone\.ko"):
        modules.select(["drivers/gone.ko"], ["kernel/drivers/here.ko"])
