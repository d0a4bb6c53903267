"""What a machine may say: with its own token, for its own run, within the limits."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from api.state import run_secrets
from api.state.redis import Database
from bringup import keys
from bringup.connections.redis_client import connect_redis
from bringup.settings import Settings
from bringup.tls import ClientContexts
from bringup_cli.simulate.hardware_report import Fault
from tests.conftest import TOKEN
from tests.integration.api.conftest import RUN_A, RUN_B, Api

BEAT = {"boot_id": "b1", "uptime_s": 12.5}


def report(api: Api, token: str | None, body: Any, run_id: str = RUN_A) -> Any:
    return api.call("POST", f"/runs/{run_id}/report", body, token)


def test_a_heartbeat_says_when_to_call_again(api: Api) -> None:
    token = api.booted()
    answer = api.call("POST", f"/runs/{RUN_A}/heartbeat", BEAT, token)
    assert (answer.status_code, answer.json["command"]) == (202, "continue")
    assert 30 <= answer.json["next_s"] <= 90
    assert api.run()["state"] == "running"


def test_a_chatty_machine_does_not_push_its_history_out(api: Api) -> None:
    token = api.booted()
    for _ in range(5):
        api.call("POST", f"/runs/{RUN_A}/heartbeat", BEAT | {"stage": "disks"}, token)
    run = api.run()
    assert [entry["type"] for entry in run["timeline"]].count("heartbeat") == 1
    assert run["stage"] == "disks"


def test_a_report_makes_a_verdict_and_one_clean_up_job(api: Api) -> None:
    token = api.booted()
    answer = report(api, token, api.report())
    assert (answer.status_code, answer.json["state"], answer.json["replay"]) == (202, "passed", False)
    assert api.jobs()["finishes"] == 1
    assert api.ok("GET", f"/runs/{RUN_A}/report") == api.report()


def test_the_same_report_again_is_answered_and_changes_nothing(api: Api) -> None:
    token = api.booted()
    report(api, token, api.report())
    before = api.run()
    reordered = json.dumps(dict(reversed(api.report().items())), indent=3)
    for body in (json.dumps(api.report()), reordered):
        again = api.call(
            "POST", f"/runs/{RUN_A}/report", token=token, data=body, headers={"Content-Type": "application/json"}
        )
        assert (again.status_code, again.json["replay"]) == (200, True)
    assert api.run() == before
    assert api.jobs()["finishes"] == 1


def test_another_report_of_the_same_run_is_a_conflict(api: Api) -> None:
    token = api.booted()
    report(api, token, api.report(fault=Fault.WRONG_MEMORY))
    second = report(api, token, api.report())
    assert (second.status_code, second.json["type"]) == (409, "urn:bringup:conflict")
    assert api.run()["state"] == "failed"


def test_the_verdict_is_ours_whatever_the_machine_claims(api: Api) -> None:
    token = api.booted()
    assert report(api, token, api.report() | {"verdict": "PASS"}).status_code == 422
    assert report(api, token, api.report(fault=Fault.WRONG_MEMORY)).json["state"] == "failed"


def test_a_report_after_the_end_is_gone(api: Api) -> None:
    token = api.booted()
    api.ok("POST", f"/runs/{RUN_A}/abort", {})
    assert report(api, token, api.report()).status_code == 410
    assert api.run()["state"] == "aborted"


def test_a_machine_whose_run_was_aborted_is_told_to_stop(api: Api) -> None:
    token = api.booted()
    api.ok("POST", f"/runs/{RUN_A}/abort", {"reason": "wrong rack"})
    answer = api.call("POST", f"/runs/{RUN_A}/heartbeat", BEAT, token)
    assert (answer.status_code, answer.json["command"]) == (202, "abort")


def test_a_heartbeat_after_the_report_is_gone(api: Api) -> None:
    token = api.booted()
    report(api, token, api.report())
    assert api.call("POST", f"/runs/{RUN_A}/heartbeat", BEAT, token).status_code == 410


def test_the_token_of_another_run_and_a_run_that_does_not_exist_answer_alike(api: Api) -> None:
    api.booted()
    other = api.booted(RUN_B)
    foreign = report(api, other, api.report())
    unknown = "02-00-00-00-00-77-1"
    missing = report(api, other, api.report(), unknown)
    # Each names the run that was asked for, and nothing else differs.
    assert (foreign.status_code, foreign.data.replace(RUN_A.encode(), unknown.encode())) == (404, missing.data)
    assert missing.status_code == 404


@pytest.mark.parametrize("token", [None, "", "x", "a" * 10_000, TOKEN, "\u00fc"])
def test_a_wrong_token_is_refused_and_the_staff_token_is_no_run_token(api: Api, token: str | None) -> None:
    api.booted()
    assert report(api, token, api.report()).status_code == 401
    assert api.run()["state"] == "waiting"


def test_a_run_token_is_no_staff_token(api: Api) -> None:
    token = api.booted()
    for method, path in (("GET", "/runs"), ("POST", f"/runs/{RUN_A}/abort"), ("POST", f"/runs/{RUN_A}/events")):
        assert api.call(method, path, {} if method == "POST" else None, token).status_code == 401


def test_a_new_token_takes_the_place_of_the_old(api: Api) -> None:
    api.lease()
    api.tell(RUN_A, "boot_started")
    old, new = (api.mint() for _ in range(2))
    assert report(api, old, api.report()).status_code == 401
    assert report(api, new, api.report()).status_code == 202


@pytest.mark.parametrize("by_an_earlier_version", [False, True])
def test_what_was_given_out_before_is_found_no_more(
    api: Api, settings: Settings, *, by_an_earlier_version: bool
) -> None:
    redis: Any = connect_redis(settings, ClientContexts(), name="tests")
    api.lease()
    api.tell(RUN_A, "boot_started")
    token = api.mint()
    named = {keys.run_token(RUN_A): "token_sha256", keys.run_image(RUN_A): "image_sha256"}
    digests = {key: json.loads(redis.hget(keys.run(RUN_A), field)) for key, field in named.items()}
    found = keys.token_owner(digests[keys.run_token(RUN_A)]), keys.image(digests[keys.run_image(RUN_A)])
    assert redis.exists(*found) == 2
    if by_an_earlier_version:
        redis.hdel(keys.run(RUN_A), *named.values())
        redis.mset(digests)
    api.mint()
    assert not redis.exists(*found, *named)
    assert report(api, token, api.report()).status_code == 401


def test_what_an_older_api_host_has_given_out_meanwhile_is_found_no_more(api: Api, settings: Settings) -> None:
    redis: Any = connect_redis(settings, ClientContexts(), name="tests")
    api.lease()
    api.tell(RUN_A, "boot_started")

    def mint_as_an_older_host(digest: str) -> None:
        redis.mset({keys.run_token(RUN_A): digest, keys.run_image(RUN_A): digest, keys.token_owner(digest): RUN_A})
        redis.hset(keys.image(digest), "run_id", RUN_A)

    tokens, own = run_secrets.RunTokens(Database(settings, redis), timedelta(days=1)), []
    for digest in "0" * 64, "1" * 64:  # before this version has given out anything, and after it
        mint_as_an_older_host(digest)
        assert tokens.digest(RUN_A) == digest
        own.append(api.mint())
        assert not redis.exists(keys.token_owner(digest), keys.image(digest), keys.run_token(RUN_A))
        assert tokens.digest(RUN_A) == run_secrets.token_digest(own[-1])
    api.tell(RUN_A, "write_requested", wants_media=True)
    assert [report(api, token, api.report()).status_code for token in own] == [401, 401]


def test_refused_calls_explain_a_time_out_later(settings: Settings, make_api: Callable[[Settings], Api]) -> None:
    api = make_api(settings.model_copy(update={"boot_timeout_s": 1}))
    api.booted()
    for _ in range(2):
        report(api, "wrong", api.report())
    time.sleep(1.1)
    api.tell(RUN_A, "deadline")
    run = api.run()
    assert (run["state"], run["reason"]) == ("timed_out", "callback_refused")
    assert run["detail"].endswith(": 2")


def test_a_simulated_report_has_no_place_in_production(settings: Settings, make_api: Callable[[Settings], Api]) -> None:
    token = make_api(settings).booted()
    api = make_api(settings.model_copy(update={"environment": "production"}))
    assert report(api, token, api.report()).status_code == 422
    assert report(api, token, api.report() | {"simulated": False}).status_code == 202


def raw(api: Api, token: str, data: bytes, **headers: str) -> Any:
    given = {"Content-Type": "application/json"} | headers
    return api.call("POST", f"/runs/{RUN_A}/report", token=token, data=data, headers=given)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"not json", 400),
        (b'{"a": NaN}', 400),
        (b"\xff\xfe", 400),
        (b"{", 400),
        (b"[]", 422),
        (b"null", 422),
        (b"{}", 422),
        (b"[" * 1000 + b"]" * 1000, 400),
        (b'{"a":' * 100 + b"1" + b"}" * 100, 422),
        (b'{"a":' * 100_000, 400),
    ],
)
def test_a_body_that_is_no_report_is_refused_and_changes_nothing(api: Api, data: bytes, status: int) -> None:
    token = api.booted()
    answer = raw(api, token, data)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert api.run()["state"] == "waiting"


def test_depth_is_refused_before_the_schema_is_looked_at(api: Api) -> None:
    token = api.booted()
    assert "nested more than 25 deep" in raw(api, token, b'{"a":' * 26 + b"1" + b"}" * 26).json["detail"]
    assert "schema" in raw(api, token, b'{"a":' * 25 + b"1" + b"}" * 25).json["detail"]


def test_an_unknown_field_is_refused_by_its_name(api: Api) -> None:
    token = api.booted()
    document = api.report()
    document["inventory"]["memory"]["totall"] = 1
    answer = report(api, token, document)
    assert answer.status_code == 422
    assert answer.json["problems"] == ["inventory.memory.totall: Extra inputs are not permitted"]


@pytest.mark.parametrize("number", [2**63, 10**400, -1])
def test_a_number_that_no_machine_has_is_refused(api: Api, number: int) -> None:
    token = api.booted()
    document = api.report()
    document["inventory"]["memory"]["physical_mb"] = number
    assert report(api, token, document).status_code in {400, 422}
    assert api.run()["state"] == "waiting"


@pytest.mark.parametrize("element", [b"{}", b"[]", b"1"])
def test_a_body_of_a_million_elements_is_refused_before_it_is_parsed(api: Api, element: bytes) -> None:
    token = api.booted()
    answer = raw(api, token, b'{"checks":[' + b",".join([element] * 1_000_000) + b"]}")
    assert (answer.status_code, "elements" in answer.json["detail"]) == (422, True)


def test_of_many_wrong_elements_only_the_first_is_told(api: Api) -> None:
    token = api.booted()
    document = api.report()
    document["inventory"]["disks"] = [{}] * 20_000
    answer = report(api, token, document)
    assert answer.status_code == 422
    assert len(answer.json["problems"]) <= 3


def test_a_report_after_the_end_leaves_no_mark_on_the_timeline(api: Api) -> None:
    token = api.booted()
    api.ok("POST", f"/runs/{RUN_A}/abort", {})
    before = api.run()["timeline"]
    for _ in range(3):
        report(api, token, api.report())
    assert api.run()["timeline"] == before


def test_a_body_that_nobody_read_ends_the_connection(api: Api) -> None:
    assert report(api, "wrong", api.report()).headers["Connection"] == "close"
    assert "Connection" not in api.call("GET", "/runs", token="wrong").headers


def test_numbers_as_text_are_refused(api: Api) -> None:
    token = api.booted()
    document = api.report()
    document["inventory"]["cpu"]["count"] = "16"
    assert report(api, token, document).status_code == 422


def test_a_body_beyond_the_limit_is_refused(api: Api) -> None:
    token = api.booted()
    assert raw(api, token, b" " * (16 * 1024**2 + 1)).status_code == 413
    beat = api.call(
        "POST",
        f"/runs/{RUN_A}/heartbeat",
        token=token,
        data=b" " * (1024**2 + 1),
        headers={"Content-Type": "application/json"},
    )
    assert beat.status_code == 413


def test_another_content_type_or_a_compressed_body_is_refused(api: Api) -> None:
    token = api.booted()
    body = json.dumps(api.report()).encode()
    assert raw(api, token, body, **{"Content-Type": "text/plain"}).status_code == 415
    assert raw(api, token, body, **{"Content-Encoding": "gzip"}).status_code == 415


def test_what_a_machine_says_of_itself_is_escaped(api: Api) -> None:
    token = api.booted()
    api.call("POST", f"/runs/{RUN_A}/heartbeat", BEAT | {"stage": "x\n\x1b[31mred"}, token)
    detail = api.run()["timeline"][-1]["detail"]
    assert detail.isprintable()
