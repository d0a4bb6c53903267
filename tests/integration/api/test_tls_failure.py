"""A machine that cannot trust the API ends its run with a proof, and shows its token to nobody."""

import hashlib
import hmac
from typing import Any

import pytest

from tests.conftest import TOKEN
from tests.integration.api.conftest import RUN_A, RUN_B, Api


def proof(token: str, run_id: str = RUN_A, reason: str = "tls_trust") -> str:
    key = hashlib.sha256(token.encode()).hexdigest()
    return hmac.new(key.encode(), f"{run_id}:{reason}".encode(), "sha256").hexdigest()


def failure(token: str, run_id: str = RUN_A, reason: str = "tls_trust", **changes: str) -> dict[str, str]:
    return {"reason": reason, "proof": proof(token, run_id, reason), "boot_id": "b1"} | changes


def post(api: Api, body: Any, run_id: str = RUN_A) -> Any:
    return api.call("POST", f"/runs/{run_id}/tls-failure", body, token=None)


@pytest.mark.parametrize("reason", ["tls_trust", "tls_clock"])
def test_a_machine_that_cannot_trust_us_ends_its_run_and_the_clean_up_is_due(api: Api, reason: str) -> None:
    token = api.booted()
    answer = post(api, failure(token, reason=reason, detail="self-signed certificate"))
    assert (answer.status_code, answer.json) == (202, {"run_id": RUN_A, "state": "failed"})
    run = api.run()
    assert (run["state"], run["reason"]) == ("failed", reason)
    assert run["detail"].endswith(": self-signed certificate")
    assert api.ok("GET", "/devices/a")["state"] == "failed"
    assert api.jobs()["finishes"] == 1


def test_it_may_say_so_before_the_worker_told_that_it_switched_the_power(api: Api) -> None:
    api.lease()
    api.tell(RUN_A, "boot_started")
    token = api.mint()
    assert post(api, failure(token)).status_code == 202


def test_it_may_say_so_after_it_was_heard_once(api: Api) -> None:
    token = api.booted()
    api.call("POST", f"/runs/{RUN_A}/heartbeat", {"boot_id": "b1", "uptime_s": 1.0}, token)
    assert post(api, failure(token)).status_code == 202


def test_the_same_failure_again_is_answered_and_changes_nothing(api: Api) -> None:
    token = api.booted()
    post(api, failure(token))
    before = api.run()
    again = post(api, failure(token))
    assert (again.status_code, again.json["state"]) == (200, "failed")
    assert (api.run(), api.jobs()["finishes"]) == (before, 1)


def test_another_failure_after_the_end_is_gone_and_changes_nothing(api: Api) -> None:
    token = api.booted()
    post(api, failure(token))
    before = api.run()
    assert post(api, failure(token, reason="tls_clock")).status_code == 410
    assert api.run() == before


def test_a_failure_of_a_run_that_ended_otherwise_is_gone(api: Api) -> None:
    token = api.booted()
    api.ok("POST", f"/runs/{RUN_A}/abort", {})
    before = api.run()
    assert post(api, failure(token)).status_code == 410
    assert api.run() == before


def test_a_guess_learns_nothing_whatever_is_wrong_with_it(api: Api) -> None:
    token = api.booted()
    other = api.booted(RUN_B)
    body = failure(token)
    digest = hashlib.sha256(token.encode()).hexdigest()
    refused = [
        post(api, body | {"proof": "0" * 64}),
        post(api, body | {"proof": digest}),
        post(api, body | {"proof": proof(TOKEN)}),
        post(api, body | {"proof": proof(other)}),
        post(api, body | {"proof": proof(token, RUN_B)}),
        post(api, body | {"reason": "tls_clock"}),
        post(api, body, "02-00-00-00-00-77-1"),
        post(api, body, RUN_B),
        post(api, body, "x"),
        post(api, body, "%2e%2e"),
        api.call("POST", f"/runs/{RUN_A}/tls-failure", body | {"proof": "0" * 64}, token=TOKEN),
    ]
    assert {answer.status_code for answer in refused} == {401}
    assert len({(answer.data, tuple(sorted(answer.headers))) for answer in refused}) == 1
    assert (api.run()["state"], api.run(RUN_B)["state"]) == ("waiting", "waiting")


def test_a_run_without_a_token_cannot_be_ended_with_the_proof_of_no_token(api: Api) -> None:
    api.lease()
    nothing = hmac.new(b"0" * 64, f"{RUN_A}:tls_trust".encode(), "sha256").hexdigest()
    assert post(api, {"reason": "tls_trust", "proof": nothing, "boot_id": "b1"}).status_code == 401
    assert api.run()["state"] == "queued"


@pytest.mark.parametrize(
    "changes", [{"reason": "check_failed"}, {"proof": "A" * 64}, {"proof": ""}, {"boot_id": ""}, {"token": "x"}]
)
def test_a_body_that_is_no_failure_is_refused_before_anything_is_looked_up(api: Api, changes: dict[str, str]) -> None:
    token = api.booted()
    answers = [post(api, failure(token) | changes, run_id) for run_id in (RUN_A, "02-00-00-00-00-77-1")]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].data == answers[1].data


def test_a_body_beyond_its_small_limit_is_refused(api: Api) -> None:
    token = api.booted()
    assert post(api, failure(token, detail="x" * 17_000)).status_code == 413


def test_what_the_machine_adds_is_escaped(api: Api) -> None:
    token = api.booted()
    post(api, failure(token, detail="x\n\x1b[31mred"))
    assert api.run()["detail"].isprintable()
    assert api.run()["timeline"][-1]["detail"].isprintable()


def test_an_agent_of_the_version_before_posts_to_the_path_that_it_knows(api: Api) -> None:
    token = api.booted()
    answer = api.call("POST", f"/runs/{RUN_A}/trouble", failure(token), token=None)
    assert (answer.status_code, api.run()["reason"]) == (202, "tls_trust")
