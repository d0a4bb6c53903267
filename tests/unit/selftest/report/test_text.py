"""The report on a terminal: it fits, and what failed comes with what was seen, its cause, and what to do."""

import pytest
from rich.cells import cell_len

from pki.check import Finding, Status, fail, ok
from selftest.case import Case, CaseResult
from selftest.report import as_text

LONG = (
    "Redis at redis.example.net:6379: the server's certificate is refused by us: it names 192.0.2.10 and nothing else"
)
COMMAND = "bringup pki setup --redis-san a-long-name-of-the-redis-host.example.net --redis-san another.example.net"


def _outcome(finding: Finding) -> CaseResult:
    return CaseResult(Case("2b", "Worker connection, mutual TLS", lambda _: finding, group="2"), finding, 0.1)


FAILED = _outcome(fail(LONG, COMMAND, expected="an answer by mutual TLS", cause=LONG))


@pytest.mark.parametrize("width", [80, 60, 120])
def test_what_is_no_command_fits_the_terminal(width: int) -> None:
    for outcome in (FAILED, _outcome(ok(LONG))):
        lines = as_text(outcome, width).plain.splitlines()
        assert [line for line in lines if cell_len(line) > width and COMMAND not in line] == []


def test_a_command_is_never_cut_so_that_it_can_be_copied() -> None:
    assert f"      fix:      {COMMAND}" in as_text(FAILED, 80).plain.splitlines()


def test_a_failure_shows_what_was_seen_what_was_expected_its_cause_and_what_to_do_in_this_order() -> None:
    text = as_text(FAILED, 80).plain
    parts = [text.index(label) for label in ("FAIL", "2b", "seen:", "expected:", "cause:", "fix:")]
    assert parts == sorted(parts)
    assert LONG in " ".join(text.split())


def test_what_is_good_is_one_sentence_without_labels() -> None:
    assert as_text(_outcome(ok("fine")), 80).plain == "OK    2b  Worker connection, mutual TLS: fine"


def test_in_a_pipe_each_fact_is_one_line() -> None:
    lines = as_text(FAILED).plain.splitlines()
    assert lines[0] == f"FAIL  {'2b':24}Worker connection, mutual TLS: {LONG}"
    assert lines[1:] == ["      expected: an answer by mutual TLS", f"      cause: {LONG}", f"      fix: {COMMAND}"]


@pytest.mark.parametrize("width", [80, None])
def test_no_answer_of_a_server_can_drive_the_terminal(width: int | None) -> None:
    text = as_text(_outcome(Finding(Status.FAIL, "a\x1b[2Jb\rc", hint="d\x1b]0;e\x07")), width).plain
    assert text.replace("\n", "").isprintable()
