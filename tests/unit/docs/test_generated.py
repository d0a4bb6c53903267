"""What the documents take from the code is what the code has now."""

import re
from pathlib import Path
from typing import get_args

import pytest

from bringup.failure_reasons import EXPLANATIONS
from bringup.model import FailureReason
from bringup.settings import Settings
from bringup.settings.schema import variables
from scripts import update_docs

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("page", update_docs.BLOCKS)
def test_a_generated_block_is_as_the_code_has_it(page: str) -> None:
    text = (ROOT / page).read_text()
    assert update_docs.updated(page, text) == text, "run: python -m scripts.update_docs"


@pytest.mark.parametrize("path", update_docs.FILES)
def test_a_generated_file_is_as_the_code_has_it(path: str) -> None:
    assert (ROOT / path).read_text() == update_docs.FILES[path](), "run: python -m scripts.update_docs"


def test_a_stale_block_is_noticed() -> None:
    text = (ROOT / "docs/running.md").read_text()
    stale = text.replace("`bmc_unreachable`", "`bmc_gone`")
    assert stale != text
    assert update_docs.updated("docs/running.md", stale) == text


@pytest.mark.parametrize("text", ["", "<!-- generated: failure reasons -->\n<!-- end -->\n" * 2])
def test_a_page_without_one_block_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"docs/running\.md must hold one block"):
        update_docs.updated("docs/running.md", text)


def test_every_failure_reason_is_explained() -> None:
    assert set(EXPLANATIONS) == set(FailureReason)
    assert all(text.meaning and text.look and text.causes for text in EXPLANATIONS.values())


def test_an_explanation_names_no_setting_that_there_is_not() -> None:
    named = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", update_docs.causes() + update_docs.summary())) - {"RUN_ID"}
    assert named
    assert named <= set(variables())


@pytest.mark.parametrize("source", get_args(Settings.model_fields["dhcp_source"].annotation))
def test_every_source_is_on_the_page_of_the_dhcp_servers(source: str) -> None:
    assert f"| `{source}` |" in (ROOT / "docs/dhcp.md").read_text()
