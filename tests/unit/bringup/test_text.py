"""Text that is shown to people."""

import pytest

from bringup.text import counted


@pytest.mark.parametrize(("number", "shown"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_a_number_agrees_with_its_noun(number: int, shown: str) -> None:
    assert counted(number, "file") == shown
