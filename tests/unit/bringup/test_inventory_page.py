"""docs/inventory.md documents every expectation and every limit, and its examples are valid."""

import re
import tomllib
from pathlib import Path

import pytest

from bringup.expectation import Expectation
from bringup.verdict.smart import LIMITS
from bringup.wire.report import SmartCounter

PAGE = (Path(__file__).parents[3] / "docs/inventory.md").read_text()
ROWS = {row[0]: row for line in PAGE.splitlines() if (row := [cell.strip() for cell in line.strip("|").split("|")])}


@pytest.mark.parametrize("name", Expectation.model_fields)
def test_every_expectation_has_a_row_with_a_valid_example(name: str) -> None:
    example = ROWS[f"`{name}`"][1].strip("`")
    assert Expectation.model_validate(tomllib.loads(f"{name} = {example}")) != Expectation()


def test_every_block_of_examples_is_a_valid_expectation() -> None:
    blocks = [block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "[[device]]" not in block]
    assert len(blocks) == 2
    for block in blocks:
        Expectation.model_validate(tomllib.loads(block))


@pytest.mark.parametrize("counter", LIMITS)
def test_every_limit_of_smart_data_has_a_row_with_its_numbers(counter: SmartCounter) -> None:
    words = counter.value.replace("_", " ")
    (row,) = (row for name, row in ROWS.items() if name.startswith(words))
    limit = LIMITS[counter]
    assert str(limit.fail_at) in row[3].split()
    assert (str(limit.warn_at) in row[2].split()) is (limit.warn_at < limit.fail_at)
