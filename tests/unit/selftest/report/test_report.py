"""The reports: computed, and complete whatever a server answers; and the page that explains every check."""

from pathlib import Path

from pki.check import fail, ok
from selftest.case import Case, CaseResult
from selftest.checks import CATALOG
from selftest.report import Results, as_json, as_markdown, summary
from selftest.target_installation import TargetInstallation

ROOT = Path(__file__).parents[4]


def _outcome(check: str, observed: str, *, good: bool) -> CaseResult:
    finding = ok(observed) if good else fail(observed, expected="better", hint="do it")
    return CaseResult(Case(check, "Title", lambda _: finding, group=f"{check[0]} Group"), finding, 0.1)


def test_no_answer_of_a_server_can_break_the_table(target: TargetInstallation) -> None:
    text = as_markdown(Results(target, [_outcome("1a", "x | y\n# heading", good=True)]))
    assert "| 1a Title | ok | x \\| y # heading |" in text


def test_a_failure_is_in_the_verdict_the_posture_and_the_next_steps(target: TargetInstallation) -> None:
    text = as_markdown(Results(target, [_outcome("1a", "bad", good=False)]))
    assert "**FAILED**: 1 fail." in text
    assert "| Redis asks for a password | 1a | fail |" in text
    assert "| Redis speaks mutual TLS | 2b | not run |" in text
    assert "- 1a (fail): do it" in text


def test_json_has_the_numbers_and_the_verdict(target: TargetInstallation) -> None:
    document = as_json(Results(target, [_outcome("1a", "x", good=True), _outcome("2a", "y", good=False)]))
    assert (document["verdict"], document["passed"]) == ("FAILED", False)
    assert document["summary"] == {"ok": 1, "info": 0, "warn": 0, "fail": 1, "skip": 0}


def test_the_summary_leaves_out_what_did_not_occur() -> None:
    assert summary([_outcome("1a", "x", good=True)]) == "1 ok"


def test_every_check_has_its_own_id_and_is_in_the_documentation() -> None:
    page = (ROOT / "docs/selftest.md").read_text()
    ids = [check.id for check in CATALOG]
    assert len(set(ids)) == len(ids)
    assert [one for one in ids if one not in page] == []
