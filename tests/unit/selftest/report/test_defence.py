"""Layers and threats: what holds was seen in this run, and nothing else is said to hold."""

import pytest

from pki.check import Finding, Status
from selftest.checks import CATALOG
from selftest.report.defence import LAYERS, THREATS, Claim, in_this_run, section
from tests.unit.selftest.report.conftest import MakeResults

CLAIM = Claim("threat", "it holds", ("7.redis.foreign-ca", "7.api.foreign-ca"))


def _seen(make_results: MakeResults, *statuses: Status) -> str:
    given = [(id_, Finding(status, "x")) for id_, status in zip(CLAIM.seen_by, statuses, strict=True)]
    return in_this_run(CLAIM, make_results(given).outcomes)


def test_what_was_seen_is_said_with_the_checks_that_saw_it(make_results: MakeResults) -> None:
    assert _seen(make_results, Status.OK, Status.OK) == "seen to hold: 7.redis.foreign-ca, 7.api.foreign-ca"


def test_a_question_without_a_case_is_not_seen(make_results: MakeResults) -> None:
    assert _seen(make_results, Status.INFO, Status.INFO) == "not seen in this run"
    expected = "seen to hold: 7.redis.foreign-ca (no case in this run: 7.api.foreign-ca)"
    assert _seen(make_results, Status.OK, Status.INFO) == expected


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status.FAIL, "DOES NOT HOLD"),
        (Status.WARN, "not as production needs it"),
        (Status.SKIP, "not proven here"),
    ],
)
def test_one_check_that_is_not_good_is_what_counts(make_results: MakeResults, status: Status, words: str) -> None:
    seen = _seen(make_results, Status.OK, status)
    assert seen == f"{words}: 7.api.foreign-ca (seen to hold: 7.redis.foreign-ca)"


def test_nothing_holds_in_a_run_of_no_check() -> None:
    for claim in (*LAYERS, *THREATS):
        assert in_this_run(claim, []) == "not seen in this run"


@pytest.mark.parametrize("claim", [*LAYERS, *THREATS], ids=lambda claim: claim.about)
def test_a_claim_is_seen_by_checks_that_there_are(claim: Claim) -> None:
    assert [case.id for case in CATALOG if case.id.startswith(claim.seen_by)]


def test_every_check_is_in_a_layer_or_in_the_last_one(make_results: MakeResults) -> None:
    text = "\n".join(section(make_results().outcomes)).partition("## Threats")[0]
    assert [case.id for case in CATALOG if case.id not in text] == []
