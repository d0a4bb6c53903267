"""Each entry of the log is one line, safe to show, and never holds a secret."""

from hypothesis import given
from hypothesis import strategies as st

import agent
import bringup
from agent.log import LOG_LIMIT, Log
from agent.text import device_text, printable
from bringup import text


def log(lines: list[str]) -> Log:
    return Log(lines.append, lambda: 1.5)


def test_every_line_begins_with_the_programs_name_and_cannot_drive_a_terminal() -> None:
    lines: list[str] = []
    log(lines).show("disk \x1b[2J\nfoo")
    assert lines == [r"bringup: disk \x1b[2J\nfoo"]


def test_a_secret_is_in_neither_console_nor_log() -> None:
    lines: list[str] = []
    entries = log(lines)
    entries.redact("s3cret")
    entries.show("the header was Bearer s3cret")
    entries.write("s3cret again")
    assert "s3cret" not in lines[0] + entries.content().decode()
    assert entries.content().decode().count("[hidden]") == 2


def test_the_log_keeps_its_latest_part_and_stays_text() -> None:
    entries = log([])
    for n in range(40):
        entries.write("ü" * 20_000 + f" {n}")
    assert len(entries.content()) <= LOG_LIMIT
    assert entries.content().decode().endswith("ü 39\n")


@given(st.text())
def test_the_agent_escapes_as_the_api_does(given_text: str) -> None:
    assert printable(given_text) == text.printable(given_text)
    assert len(device_text(given_text * 100)) <= 1024


def test_agent_and_project_have_one_version() -> None:
    assert agent.__version__ == bringup.__version__
