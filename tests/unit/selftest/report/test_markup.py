"""Text that others chose stays text: in a cell, in a sentence, and in a block of code."""

import re

import pytest

from selftest.report.markup import code, inline, table
from tests.unit.selftest.report.made_up import HOSTILE


def test_nothing_in_a_text_ends_its_line_or_its_cell() -> None:
    text = inline(HOSTILE)
    assert text.isprintable()
    assert re.search(r"(?<!\\)\|", text) is None


@pytest.mark.parametrize("active", ["<script>", "<img src=x>", "[a](http://evil)", "![a](http://evil)", "<http://a>"])
def test_nothing_in_a_text_is_html_a_link_or_an_image(active: str) -> None:
    text = inline(active)
    assert "<" not in text
    assert re.search(r"(?<!\\)[\[\]]", text) is None


def test_a_backslash_of_the_text_does_not_undo_ours() -> None:
    assert inline("a\\|b") == "a\\\\\\|b"


def test_each_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    lines = table(("a", "b"), [(HOSTILE, HOSTILE), ("c", "d")])
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines[1:]} == {3}


def test_a_table_without_rows_says_that_there_is_none() -> None:
    assert table(("a",), []) == ["", "None."]


def test_nothing_in_a_block_of_code_ends_it() -> None:
    lines = code(["````", HOSTILE], indent="  ")
    assert lines[0] == lines[-1] == "  `````"
    assert all(line.startswith("  ") and line.isprintable() for line in lines)
