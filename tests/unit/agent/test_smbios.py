"""The firmware's list of modules: real sizes, and tables that are broken or hostile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.inventory.smbios import Module, modules, structures, tpm_major
from tests.unit.agent.tree import END, array, module, structure


def sizes(*parts: bytes) -> list[int]:
    return [found.size_mb for found in modules(b"".join(parts))]


def test_a_module_has_its_slot_size_and_serial() -> None:
    assert modules(array(0x1000) + module(16384) + END) == [Module("DIMM 0", 16384, "ABC123")]


def test_a_module_of_32_gib_or_more_is_in_the_extended_field() -> None:
    assert sizes(module(0x7FFF, extended=65536)) == [65536]


def test_a_size_may_be_in_kib() -> None:
    assert sizes(module(0x8000 | 2048)) == [2]


def test_an_empty_slot_and_an_unknown_size_are_no_module() -> None:
    assert sizes(module(0), module(0xFFFF)) == []


def test_video_memory_is_not_the_systems() -> None:
    assert sizes(array(0x1000, use=4), array(0x2000), module(64, array=0x1000), module(192, array=0x2000)) == [192]


def test_a_module_whose_array_is_not_listed_counts() -> None:
    assert sizes(module(192, array=0x9999)) == [192]


def test_persistent_memory_counts_only_as_far_as_it_is_used_as_memory() -> None:
    assert sizes(module(0x7FFF, extended=131072, technology=7, volatile=0)) == []
    assert sizes(module(0x7FFF, extended=131072, technology=7, volatile=32 * 2**30)) == [32768]


def test_an_old_short_structure_is_read_as_far_as_it_goes() -> None:
    whole = module(512)
    old = bytes([17, 0x15]) + whole[2:0x15] + b"DIMM A\0\0"
    assert modules(old) == [Module("DIMM A", 512, "")]


def test_nothing_is_read_behind_the_end_mark() -> None:
    assert sizes(module(192), END, module(64)) == [192]


def test_a_structure_shorter_than_its_header_ends_the_table() -> None:
    assert sizes(module(192), b"\x11\x00\x00\x00\0\0", module(64)) == [192]


def test_a_string_number_beyond_the_strings_is_no_text() -> None:
    assert structure(1, 1, b"\x07", "one")[4] == 7
    assert next(structures(structure(1, 1, b"\x07", "one"))).text(4) == ""


@given(st.binary(max_size=2048))
def test_no_table_breaks_the_reader(table: bytes) -> None:
    for found in modules(table):
        assert found.size_mb > 0


@given(st.binary(max_size=300), st.integers(0, 300))
def test_no_damage_to_a_real_table_breaks_the_reader(noise: bytes, at: int) -> None:
    table = array(0x1000) + module(192) + END
    modules(table[:at] + noise + table[at:])
    modules(table[:at])


@pytest.mark.parametrize(
    ("speed", "extended", "reported"), [(4800, 0, 4800), (0, 0, None), (0xFFFF, 70000, 70000), (0xFFFF, 0, None)]
)
def test_a_module_has_the_speed_that_it_is_set_to(speed: int, extended: int, reported: int | None) -> None:
    (found,) = modules(module(16384, speed=speed, extended_speed=extended))
    assert found.speed_mts == reported


def test_a_tpm_is_known_by_the_major_version_of_its_specification() -> None:
    assert tpm_major(module(192) + structure(43, 1, b"INTC\x02\x00" + bytes(21)) + END) == 2
    assert tpm_major(module(192) + END) is None
    assert tpm_major(structure(43, 1, b"INT") + END) is None
