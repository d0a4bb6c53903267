"""Ready for production: only with both flags on, by checks that were all made and all good; the posture in words."""

import pytest
from pydantic import SecretStr

from pki.check import fail, info, skip, warn
from pki.store import Store
from selftest.report.results import Results, blockers, posture, posture_table, readiness_line
from tests.unit.selftest.report.conftest import MakeResults


def test_a_good_run_of_all_checks_in_production_is_ready(make_results: MakeResults) -> None:
    assert list(blockers(make_results())) == []
    line = "Ready for production: yes, by every check that this host can make."
    assert readiness_line(make_results()) == line


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"environment": "development"}, "ENVIRONMENT=development"),
        ({"redis_use_tls": False}, "REDIS_USE_TLS=false"),
        ({"api_use_tls": False}, "API_USE_TLS=false"),
        ({"findings": [("1a", fail("bad")), ("1c", fail("bad"))]}, "1a, 1c failed"),
        ({"findings": [("5a", warn("soon"))]}, "5a warned"),
        ({"findings": [("3e", skip("the API was not asked", hint="see 3a and 3b"))]}, "3e did not run"),
    ],
)
def test_each_thing_that_production_must_not_have_is_a_reason(
    make_results: MakeResults, changes: dict[str, object], reason: str
) -> None:
    results = make_results(**changes)
    assert list(blockers(results)) == [reason]
    assert readiness_line(results) == f"Ready for production: no, because {reason}."


def test_checks_that_were_left_out_are_named(make_results: MakeResults) -> None:
    whole = make_results()
    some = Results(whole.target, whole.outcomes[1:])
    assert list(blockers(some)) == ["1 checks were not asked for (1a)"]


def test_what_follows_from_a_failure_is_counted_and_not_listed(make_results: MakeResults) -> None:
    results = make_results([("1a", fail("down")), ("2b", skip("not run"))], because={"2b": "1a"})
    assert list(blockers(results)) == ["1a failed", "1 more wait for these"]


def test_what_another_host_must_ask_is_named_and_is_no_reason(make_results: MakeResults) -> None:
    line = readiness_line(make_results([("1j", skip("not seen", hint="run it on the host of Redis"))]))
    assert line.startswith("Ready for production: yes")
    assert line.endswith("; 1j: to be asked on other hosts.")


def test_a_weak_secret_is_a_reason(make_results: MakeResults) -> None:
    results = make_results(api_token=SecretStr("abcabcabcabcabcabcabc"))
    assert list(blockers(results)) == ["API_TOKEN: weak"]


def test_the_posture_without_tls_names_the_flag_and_what_it_means(make_results: MakeResults) -> None:
    sentences = list(posture(make_results(redis_use_tls=False, api_use_tls=False)))
    for sentence, flag in zip(sentences, ("REDIS_USE_TLS", "API_USE_TLS"), strict=False):
        assert f"plain text ({flag}=false)" in sentence
        assert "can read and change" in sentence


def test_the_posture_with_tls_counts_the_refusals_that_were_seen(make_results: MakeResults) -> None:
    redis, api, _ = posture(make_results([("7.api.revoked", info("nothing was revoked"))]))
    assert "9 of 9 checks saw a refusal" in redis
    assert "10 of 11 checks saw a refusal" in api
    assert "the others have no case here" in api


def test_the_posture_with_a_refusal_that_was_not_seen_is_not_proven(make_results: MakeResults) -> None:
    redis, api, _ = posture(make_results([("7.redis.plain-text", fail("accepted"))]))
    assert redis == "Redis: mutual TLS is required (REDIS_USE_TLS=true) and NOT proven: see 7.redis.plain-text."
    assert "NOT proven" not in api


def test_the_posture_has_the_first_end_and_the_next_renewal(make_results: MakeResults, store: Store) -> None:
    assert store.identities()
    assert list(posture(make_results()))[-1] == (
        "Certificates: the first end is on 2026-06-08, in 7 days (list of revoked certificates); "
        "the next renewal is from 2026-06-03 on (list of revoked certificates)."
    )


def test_the_table_of_the_posture_has_the_result_of_each_check(make_results: MakeResults) -> None:
    lines = posture_table(make_results([("2b", fail("bad"))]).outcomes)
    assert "| Redis speaks mutual TLS | 2b | fail |" in lines
    assert "| Redis asks for a password | 1a | ok |" in lines
