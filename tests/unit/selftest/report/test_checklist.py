"""The way to production: computed, in the order in which to do it, with the exact lines of each open item."""

import pytest
from pydantic import SecretStr

from pki.check import fail, skip, warn
from pki.store import Store
from selftest.report import Results
from selftest.report.checklist import Step, flip_command, section, steps
from tests.unit.selftest.report.conftest import MakeResults
from tests.unit.selftest.report.made_up import HOSTILE

DEVELOPMENT = {"environment": "development", "redis_use_tls": False, "api_use_tls": False}


def _text(results: Results) -> str:
    return "\n".join(section(results))


def open_steps(results: Results) -> list[Step]:
    return [step for step in steps(results) if step.found]


def _lines(step: Step) -> list[str]:
    return [line for block in step.blocks for line in block.lines]


def test_after_a_good_run_nothing_is_open_but_what_a_person_must_confirm(make_results: MakeResults) -> None:
    results = make_results()
    assert open_steps(results) == []
    assert [step.title for step in steps(results) if not step.person] == [
        "Passwords and tokens are strong, and only their owner can read the files with secrets",
        "Both flags are on, in production",
        "Certificates are made, valid and in order",
        "Redis runs with the configuration of these settings (stop it before it is started again)",
        "The API runs with these settings (and `bringup images`, where it serves them)",
        "Workers and tailer run with these settings, each with the file of its role",
    ]
    assert _text(results).count("[x]") == 6


def test_with_the_flags_off_the_two_flags_and_their_lines_come_first(make_results: MakeResults) -> None:
    results = make_results([("2b", warn("no mutual TLS")), ("3b", warn("no HTTPS"))], **DEVELOPMENT)
    first, certificates, redis, api, workers = open_steps(results)
    assert _lines(first)[:3] == ["ENVIRONMENT=production", "REDIS_USE_TLS=true", "API_USE_TLS=true"]
    assert first.blocks[0].where == ".env"
    assert "bringup pki setup" in _lines(certificates)
    assert {"port 0", "tls-port 6379", "bringup redis-conf --force"} <= set(_lines(redis))
    assert _lines(api) == ["BRINGUP_ENV_FILE=.env:redis/api.env bringup api"]
    assert "BRINGUP_ENV_FILE=.env:redis/worker.env bringup work" in _lines(workers)


def test_the_command_for_the_flags_sets_what_is_missing_and_nothing_else(make_results: MakeResults) -> None:
    results = make_results(api_use_tls=False)
    assert flip_command(results) == "sed -i '/^API_USE_TLS=/d' .env && printf '%s\\n' API_USE_TLS=true >> .env"


def test_the_flags_are_set_in_the_file_that_they_came_from(make_results: MakeResults) -> None:
    results = make_results(origins={"ENVIRONMENT": "/etc/my site/api.env"}, **DEVELOPMENT)
    assert flip_command(results).endswith(">> '/etc/my site/api.env'")
    assert open_steps(results)[0].blocks[0].where == "/etc/my site/api.env"


def test_a_flag_in_the_environment_is_named_for_it_wins_over_the_file(make_results: MakeResults) -> None:
    results = make_results(origins={"API_USE_TLS": "environment"}, **DEVELOPMENT)
    assert any("API_USE_TLS: set in the environment" in found for found in open_steps(results)[0].found)


def test_the_address_of_the_api_changes_with_the_flag(make_results: MakeResults) -> None:
    results = make_results(**DEVELOPMENT, callback_api_url="http://api.example.net:5000")
    assert "CALLBACK_API_URL=https://api.example.net:5000" in _lines(open_steps(results)[0])


def test_a_failure_is_below_the_item_that_repairs_it_with_its_hint(make_results: MakeResults) -> None:
    results = make_results([("1f", fail("it evicts", "bringup redis-conf --force"))])
    (step,) = open_steps(results)
    assert step.found == ("1f (fail): bringup redis-conf --force (seen: it evicts)",)
    assert "port 0" in _lines(step)


def test_what_follows_from_a_failure_names_it(make_results: MakeResults) -> None:
    results = make_results([("1a", fail("down")), ("3e", skip("not run"))], because={"3e": "1a"})
    assert [step.found for step in open_steps(results)] == [("1a (fail): down",), ("3e: because of 1a",)]


def test_what_no_item_covers_is_an_item_of_its_own_after_them(make_results: MakeResults) -> None:
    found = open_steps(make_results([("8", warn("one BMC is not checked", "bringup bmc trust r1"))], **DEVELOPMENT))
    assert found[0].title == "Both flags are on, in production"
    step = found[-1]
    assert (step.title, _lines(step)) == ("The certificate of every BMC is checked", ["bringup bmc trust r1"])


def test_what_was_not_asked_for_is_not_done(make_results: MakeResults) -> None:
    made = make_results()
    results = Results(made.target, [one for one in made.outcomes if one.case.id.startswith("1")])
    titles = [step.title for step in open_steps(results)]
    assert [title.partition(" ")[0] for title in titles] == ["Certificates", "The", "Workers"]


def test_what_another_host_must_ask_is_listed_and_not_done(make_results: MakeResults) -> None:
    text = _text(make_results([("1j", skip("not seen from here", hint="run it on the host of Redis"))]))
    assert "[ ] 1j Redis trusts our CA alone: asked on another host" in text


def test_a_host_of_one_role_has_only_its_own_items(make_results: MakeResults) -> None:
    titles = [step.title for step in steps(make_results(host_roles="tailer"))]
    assert not any(title.startswith("The API runs") for title in titles)


def test_a_weak_secret_gets_the_command_that_makes_a_strong_one(make_results: MakeResults) -> None:
    results = make_results(api_token=SecretStr("weak-token"))
    (step,) = open_steps(results)
    assert _lines(step) == ["sed -i '/^API_TOKEN=/d' .env && echo \"API_TOKEN=$(openssl rand -hex 32)\" >> .env"]
    assert "weak-token" not in _text(results)


def test_where_the_ca_key_is_its_backup_is_an_item(make_results: MakeResults, store: Store) -> None:
    folder = store.root.parent
    command = f"(umask 077; tar -czf pki-backup.tar.gz -C {folder} pki)"
    assert command in [line for step in steps(make_results()) for line in _lines(step)]
    store.ca_key.unlink()
    assert command not in [line for step in steps(make_results()) for line in _lines(step)]


@pytest.mark.parametrize("id_", ["1a", "8"])
def test_nothing_that_a_server_answers_is_markup_or_ends_a_line(make_results: MakeResults, id_: str) -> None:
    text = _text(make_results([(id_, fail(HOSTILE, hint=f"bringup {HOSTILE}"))]))
    outside = text.split("commands:")[0]
    assert "<script>" not in outside
    assert "# z" not in text.splitlines()
