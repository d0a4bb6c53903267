"""What DHCP servers put beside their lease files, found after a restart."""

import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from dhcp_tailer.follower import FileFollower
from dhcp_tailer.framing import BLOCKS, KEA, Layout

SECONDS = itertools.count(1_700_000_000)


def write(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    now = next(SECONDS)
    os.utime(path, (now, now))


@pytest.fixture
def restarted(reader: Any) -> Any:
    """What a tailer reads that comes back after something happened, and has read the file as it was before."""

    def read(path: Path, layout: Layout, happens: Any) -> list[bytes]:
        before = reader(FileFollower(path, layout=layout))
        before.drain()
        position = before.follower.position
        before.follower.close()
        happens()
        got: list[bytes] = reader(FileFollower(path, position, layout=layout)).drain()
        return got

    return read


def test_leases_that_the_lfc_moved_before_any_was_read_are_read_from_where_it_left_them(
    tmp_path: Path, restarted: Any
) -> None:
    """The header is all that was read, and every file begins with it."""
    path = tmp_path / "kea-leases4.csv"
    write(path, b"header\n")

    def clean_up() -> None:
        path.unlink()
        write(path, b"header\nlate\n")
        write(tmp_path / "kea-leases4.csv.2", b"header\nearly\n")

    assert [line for line in restarted(path, KEA, clean_up) if line != b"header"] == [b"early", b"late"]


def test_a_clean_up_that_was_broken_off_leaves_its_leases_in_completed(tmp_path: Path, restarted: Any) -> None:
    path = tmp_path / "kea-leases4.csv"
    write(path, b"header\none\n")

    def die() -> None:
        path.unlink()
        write(tmp_path / "kea-leases4.csv.completed", b"header\ntwo\n")
        write(path, b"header\nthree\n")

    assert [line for line in restarted(path, KEA, die) if line != b"header"] == [b"two", b"three"]


def test_a_backup_of_dhcpd_is_read_even_if_our_position_in_it_is_lost(tmp_path: Path, restarted: Any) -> None:
    path = tmp_path / "dhcpd.leases"
    write(path, b"lease 1 {\n}\n")

    def rewrite() -> None:
        path.unlink()
        write(tmp_path / "dhcpd.leases~", b"lease 2 {\n}\n")
        write(path, b"lease 3 {\n}\n")

    assert restarted(path, BLOCKS, rewrite) == [b"lease 2 {\n}", b"lease 3 {\n}"]


def test_a_backup_from_before_we_read_is_not_read(tmp_path: Path, restarted: Any) -> None:
    path = tmp_path / "dhcpd.leases"
    write(tmp_path / "dhcpd.leases~", b"lease 2 {\n}\n")
    write(path, b"lease 1 {\n}\n")

    def rewrite() -> None:
        path.unlink()
        write(path, b"lease 3 {\n}\n")

    assert restarted(path, BLOCKS, rewrite) == [b"lease 3 {\n}"]


def test_a_clean_up_that_loses_nothing_is_no_warning_of_loss(tmp_path: Path, restarted: Any, logged: Any) -> None:
    path = tmp_path / "kea-leases4.csv"
    write(path, b"header\none\n")

    def clean_up() -> None:
        write(tmp_path / "kea-leases4.csv.2", b"header\none\ntwo\n")
        write(tmp_path / "new", b"header\nthree\n")
        (tmp_path / "new").rename(path)

    assert [line for line in restarted(path, KEA, clean_up) if line != b"header"] == [b"one", b"two", b"three"]
    assert not [line for line in logged if line["log_level"] == "warning"]


def test_a_lease_file_of_kea_that_is_gone_without_a_clean_up_is_a_warning(
    tmp_path: Path, restarted: Any, logged: Any
) -> None:
    path = tmp_path / "kea-leases4.csv"
    write(path, b"header\none\n")

    def replace() -> None:
        write(tmp_path / "other", b"header\nthree\n")
        (tmp_path / "other").rename(path)

    assert restarted(path, KEA, replace) == [b"header", b"three"]
    assert [line["log_level"] for line in logged] == ["warning"]
