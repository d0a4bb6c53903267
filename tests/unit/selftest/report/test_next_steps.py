"""The end of the report on a terminal: whether it is ready for production, and what to do next."""

from dataclasses import replace
from pathlib import Path

import pytest

from pki.check import fail
from selftest.report import Results, next_as_text
from tests.unit.selftest.report.conftest import MakeResults

DEVELOPMENT = {"environment": "development", "redis_use_tls": False, "api_use_tls": False}


def test_with_the_flags_off_it_names_both_and_the_command_that_sets_them(make_results: MakeResults) -> None:
    lines = next_as_text(make_results(**DEVELOPMENT), 80)
    text = " ".join(" ".join(lines).split())
    assert "for production set ENVIRONMENT=production, REDIS_USE_TLS=true, API_USE_TLS=true" in text
    command = "sed -i '/^ENVIRONMENT=/d; /^REDIS_USE_TLS=/d; /^API_USE_TLS=/d' .env"
    assert any(line.strip().startswith(command) for line in lines)
    assert [line for line in lines if len(line) > 80 and "sed" not in line] == []


def test_what_plain_text_means_is_said_in_words(make_results: MakeResults) -> None:
    text = " ".join(" ".join(next_as_text(make_results(**DEVELOPMENT), 80)).split())
    assert "Redis: plain text (REDIS_USE_TLS=false). Everyone on the way can read and change what is sent" in text
    assert "mutual TLS (REDIS_USE_TLS=true)" in "\n".join(next_as_text(make_results()))


def test_after_a_failure_it_leads_to_the_repairs(make_results: MakeResults) -> None:
    text = "\n".join(next_as_text(make_results([("1a", fail("down"))])))
    assert "Ready for production: no, because 1a failed." in text
    assert "repair what is listed above" in text


def test_when_all_is_good_it_asks_for_a_report_to_keep(make_results: MakeResults) -> None:
    text = "\n".join(next_as_text(make_results()))
    assert "Ready for production: yes" in text
    assert "bringup selftest --report selftest.md" in text


@pytest.mark.parametrize(
    ("read", "command"),
    [
        ((), "BRINGUP_ENV_FILE=.env:redis/worker.env bringup selftest --report selftest.md"),
        ((".env",), "bringup selftest --report selftest.md"),
        (("/etc/bringup/api.env",), "BRINGUP_ENV_FILE=/etc/bringup/api.env bringup selftest --report selftest.md"),
        ((".env", "my redis.env"), "BRINGUP_ENV_FILE='.env:my redis.env' bringup selftest --report selftest.md"),
    ],
)
def test_the_command_for_the_report_reads_the_settings_of_this_run(
    make_results: MakeResults, read: tuple[str, ...], command: str
) -> None:
    made = make_results()
    target = replace(made.target, env_files=tuple(map(Path, read)))
    target.redis.detected, target.api.detected = made.target.redis.detected, made.target.api.detected
    lines = next_as_text(Results(target, made.outcomes))
    assert command in [line.strip() for line in lines]


def test_a_run_of_some_checks_says_nothing_about_the_whole(make_results: MakeResults) -> None:
    made = make_results()
    assert next_as_text(Results(made.target, made.outcomes[:3])) == []
