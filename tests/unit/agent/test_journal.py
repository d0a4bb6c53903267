"""What is said is one line, safe to show, and never a secret."""

from hypothesis import given
from hypothesis import strategies as st

import agent
import bringup
from agent.log import LOG_LIMIT, Journal
from agent.text import device_text, printable
from bringup import text


def journal(lines: list[str]) -> Journal:
    return Journal(lines.append, lambda: 1.5)


def test_every_line_begins_with_the_programs_name_and_cannot_drive_a_terminal() -> None:
    lines: list[str] = []
    journal(lines).say("disk \x1b[2J\nfoo")
    assert lines == [r"bringup: disk \x1b[2J\nfoo"]


def test_a_secret_is_in_neither_console_nor_log() -> None:
    lines: list[str] = []
    said = journal(lines)
    said.hide("s3cret")
    said.say("the header was Bearer s3cret")
    said.note("s3cret again")
    assert "s3cret" not in lines[0] + said.log().decode()
    assert said.log().decode().count("[hidden]") == 2


def test_the_log_keeps_its_latest_part_and_stays_text() -> None:
    said = journal([])
    for n in range(40):
        said.note("ü" * 20_000 + f" {n}")
    assert len(said.log()) <= LOG_LIMIT
    assert said.log().decode().endswith("ü 39\n")


@given(st.text())
def test_the_agent_escapes_as_the_api_does(given_text: str) -> None:
    assert printable(given_text) == text.printable(given_text)
    assert len(device_text(given_text * 100)) <= 1024


def test_agent_and_project_have_one_version() -> None:
    assert agent.__version__ == bringup.__version__
