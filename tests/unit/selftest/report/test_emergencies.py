"""Emergencies: each that was promised, by commands that there are, for the addresses and paths of this installation."""

import re
import shlex
from pathlib import Path

import click
import pytest

from bringup_cli.root import cli
from selftest.report.emergencies import procedures, section
from selftest.report.results import Results
from tests.unit.selftest.report.conftest import MakeResults

PROMISED = ("stolen", "CA key is lost", "CA key is stolen", "expired", "Redis is down", "API is down")


def _lines(results: Results) -> list[str]:
    return [line for one in procedures(results.target) for line in one.lines]


@pytest.mark.parametrize("emergency", PROMISED)
def test_each_emergency_has_a_heading_and_commands(make_results: MakeResults, emergency: str) -> None:
    found = [one for one in procedures(make_results().target) if emergency in one.when]
    assert found
    text = "\n".join(section(make_results()))
    for one in found:
        assert f"### {one.when}" in text
        assert all(line in text for line in one.lines)


def _command_of(line: str) -> list[str]:
    words = [word for word in shlex.split(line) if "=" not in word]
    return words[1:] if words and words[0] == "bringup" else []


def test_every_command_of_bringup_is_one_with_these_options(make_results: MakeResults) -> None:
    commands = [words for line in _lines(make_results()) if (words := _command_of(line))]
    assert len(commands) > 10
    for words in commands:
        command: click.Command = cli
        rest = list(words)
        while isinstance(command, click.Group):
            found = command.get_command(click.Context(command), rest.pop(0))
            assert found is not None, words
            command = found
        assert {word for word in rest if word.startswith("--")} <= {one for p in command.params for one in p.opts}


def test_redis_is_asked_where_it_is_and_by_tls_when_its_flag_is_on(make_results: MakeResults) -> None:
    keeper = next(line for line in _lines(make_results(redis_host="192.0.2.9", redis_port=7000)) if "keeper()" in line)
    assert "-h 192.0.2.9 -p 7000 --tls --cacert" in keeper
    assert "--tls" not in next(line for line in _lines(make_results(redis_use_tls=False)) if "keeper()" in line)


def test_paths_are_quoted_for_the_shell(make_results: MakeResults) -> None:
    lines = _lines(make_results(pki_dir=Path("/srv/my site; rm -rf x/pki")))
    assert any("'/srv/my site; rm -rf x" in line for line in lines)
    for line in lines:
        assert "rm" not in shlex.split(line)


def test_each_names_a_page_that_there_is(make_results: MakeResults) -> None:
    root = Path(__file__).parents[4]
    for one in procedures(make_results().target):
        pages = re.findall(r"docs/[\w.]+\.md", one.see)
        assert pages
        assert all((root / page).exists() for page in pages)


def test_the_references_are_standards_by_number(make_results: MakeResults) -> None:
    text = "\n".join(section(make_results())).partition("## References")[2]
    for number in ("RFC 8446", "RFC 9325", "RFC 5280", "RFC 7030", "DSP0266", "SP 800-52"):
        assert number in text
