"""The parts of the builder that need no packages."""

import stat
import sys
from pathlib import Path

import pytest

from bringup.wire import machine
from scripts.iso import cpio, elf, modules, parameters
from scripts.iso.debian import BuildError, Packages


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


def test_the_libraries_of_a_program_are_read_from_it() -> None:
    assert any(name.startswith("libc.so") for name in elf.needed(Path(sys.executable).resolve().read_bytes()))
    assert elf.needed(b"#!/bin/sh\n") == []


def test_a_library_that_no_package_holds_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"libc\.so\.6, which no package"):
        elf.libraries(Packages(tmp_path), [Path(sys.executable).resolve()])


def test_modules_bring_what_they_depend_on() -> None:
    depends = {"kernel/a.ko": ["kernel/b.ko"], "kernel/b.ko": ["kernel/c.ko"], "kernel/c.ko": [], "kernel/d.ko": []}
    assert modules.closure(modules.select(["a.ko"], depends), depends) == ["kernel/a.ko", "kernel/b.ko", "kernel/c.ko"]


def test_a_pattern_that_fits_no_module_is_named() -> None:
    with pytest.raises(BuildError, match=r"drivers/gone\.ko"):
        modules.select(["drivers/gone.ko"], ["kernel/drivers/here.ko"])
