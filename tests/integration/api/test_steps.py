"""A worker posts the steps that it has taken with its next event: all of them apply, or none."""

import json
from typing import Any

import pytest

from tests.integration.api.conftest import RUN_A, Api

ANOTHER = {"serial": "another", "macs": ["02:00:00:00:77:77"]}
IDENTIFIED = {"type": "machine_identified", "identity": {"serial": "S", "macs": []}}


def begun(api: Api) -> None:
    api.lease(RUN_A)
    api.tell(RUN_A, "boot_started")


def types(api: Api) -> list[str]:
    return [line["type"] for line in api.run()["timeline"]]


def test_steps_are_on_the_timeline_and_in_the_feed_in_their_order(api: Api) -> None:
    begun(api)
    reply = api.tell(RUN_A, "write_requested", before=[IDENTIFIED, {"type": "media_inserted"}])
    assert reply.json["permit_s"] == 5.0
    assert types(api)[-3:] == ["machine_identified", "media_inserted", "write_requested"]
    feed = api.ok("GET", "/changes?since=0")["changes"]
    assert [change["what"] for change in feed][-3:] == types(api)[-3:]
    assert api.run()["media_at"] is not None


def test_the_permit_is_given_back_with_the_last_step(api: Api) -> None:
    begun(api)
    api.tell(RUN_A, "power_on_requested", before=[IDENTIFIED])
    assert api.tell(RUN_A, "permit_returned", before=[{"type": "powered_on"}]).json["state"] == "waiting"
    assert api.tell(RUN_A, "permit_returned").status_code == 409
    assert types(api)[-1:] == ["refused"]


@pytest.mark.parametrize("kind", ["write_requested", "override_requested"])
def test_of_another_machine_the_run_ends_and_no_permit_is_given(api: Api, kind: str) -> None:
    begun(api)
    reply = api.tell(RUN_A, kind, before=[{"type": "machine_identified", "identity": ANOTHER}])
    assert (reply.json["state"], reply.json["permit_s"]) == ("failed", None)
    assert "covers" not in reply.json
    assert reply.json["reason"] == api.run()["reason"] == "wrong_machine"
    assert types(api)[-1:] == ["wrong_machine"]


def test_the_medium_is_made_with_the_permit_to_insert_it(api: Api) -> None:
    begun(api)
    reply = api.tell(RUN_A, "write_requested", before=[IDENTIFIED], wants_media=True).json
    assert (reply["permit_s"], reply["media"]["run_id"]) == (5.0, RUN_A)
    assert types(api)[-3:] == ["machine_identified", "write_requested", "media_minted"]
    assert api.tell(RUN_A, "write_requested").json["media"] is None
    token = read_token(api, reply["media"]["image_url"])
    assert api.call("POST", f"/runs/{RUN_A}/heartbeat", {"boot_id": "1", "uptime_s": 1}, token).status_code == 202


def test_without_a_permit_no_medium_is_made_and_the_one_before_counts(api: Api) -> None:
    begun(api)
    first = api.ok("POST", f"/runs/{RUN_A}/media", {"owner": "w"})["image_url"]
    api.ok("PATCH", "/devices/a", {"maintenance": "disk"})
    refused = api.tell(RUN_A, "write_requested", before=[IDENTIFIED], wants_media=True)
    assert refused.json["type"] == "urn:bringup:power_refused"
    assert read_token(api, first)
    assert types(api).count("media_minted") == 1


def test_of_another_machine_no_medium_is_made(api: Api) -> None:
    begun(api)
    other = {"type": "machine_identified", "identity": ANOTHER}
    assert api.tell(RUN_A, "write_requested", before=[other], wants_media=True).json["media"] is None
    assert "media_minted" not in types(api)


def test_a_worker_that_was_replaced_gets_no_medium(api: Api) -> None:
    begun(api)
    asked = {"type": "write_requested", "owner": "replaced", "wants_media": True}
    assert api.call("POST", f"/runs/{RUN_A}/events", asked).status_code == 409
    assert "media_minted" not in types(api)


def test_a_medium_is_handed_out_with_the_permit_for_the_boot_override_too(api: Api) -> None:
    begun(api)
    reply = api.tell(RUN_A, "override_requested", before=[IDENTIFIED], wants_media=True).json
    assert reply["permit_s"] > 0
    assert reply["media"]["run_id"] == RUN_A
    assert reply["covers"] == ["write_requested", "override_requested"]
    assert types(api)[-3:] == ["machine_identified", "override_requested", "media_minted"]


def test_the_permit_for_the_medium_covers_nothing_and_marks_no_boot_override(api: Api) -> None:
    begun(api)
    assert "covers" not in api.tell(RUN_A, "write_requested", before=[IDENTIFIED], wants_media=True).json
    assert api.run(RUN_A)["override_requested_at"] is None
    api.tell(RUN_A, "override_requested")
    assert api.run(RUN_A)["override_requested_at"]


def test_a_medium_is_asked_for_with_no_other_event(api: Api) -> None:
    begun(api)
    assert api.tell(RUN_A, "power_on_requested", before=[IDENTIFIED], wants_media=True).status_code == 422
    assert types(api)[-1:] == ["boot_started"]


@pytest.mark.parametrize("kind", ["write_requested", "power_on_requested"])
def test_no_permit_rests_on_a_machine_of_which_nobody_asked_whether_it_is_withheld(
    api: Api, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    begun(api)
    monkeypatch.setattr("api.runs.permits.PERMITS", frozenset())  # as a view that forgets to ask
    refused = api.tell(RUN_A, kind, before=[IDENTIFIED])
    assert refused.json["type"] == "urn:bringup:power_refused"
    assert "was not read" in refused.json["detail"]


def test_nor_does_one_to_clean_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(api)
    api.tell(RUN_A, "machine_identified", identity=IDENTIFIED["identity"])
    api.ok("POST", f"/runs/{RUN_A}/abort", {})
    monkeypatch.setattr("api.runs.permits.PERMITS", frozenset())
    reply = api.tell(RUN_A, "cleanup_requested").json
    assert reply["permit_s"] is None
    assert reply["next_s"] > 0


def read_token(api: Api, image_url: str) -> str:
    return str(json.loads(api.call("GET", image_url.partition("/api/v1")[2], token=None).data)["token"])


def test_where_the_event_is_refused_no_step_applies(api: Api) -> None:
    begun(api)
    api.ok("PATCH", "/devices/a", {"maintenance": "disk"})
    refused = api.tell(RUN_A, "write_requested", before=[IDENTIFIED, {"type": "media_inserted"}])
    assert refused.json["type"] == "urn:bringup:power_refused"
    assert api.run()["media_at"] is None
    assert "media_inserted" not in types(api)


def test_a_step_of_a_worker_that_was_replaced_does_not_apply(api: Api) -> None:
    begun(api)
    late = {"type": "cleanup_requested", "owner": "replaced", "before": [{"type": "media_inserted"}]}
    assert api.call("POST", f"/runs/{RUN_A}/events", late).status_code == 409
    assert api.run()["media_at"] is None


@pytest.mark.parametrize("kind", ["boot_started", "write_requested", "power_on_requested", "finished", "deadline"])
def test_what_asks_for_something_is_posted_by_itself(api: Api, kind: str) -> None:
    api.lease(RUN_A)
    reply = api.tell(RUN_A, "boot_started", before=[{"type": kind}])
    assert reply.status_code == 422
    assert types(api) == ["lease"]


def test_the_reply_has_the_run_as_it_is_afterwards_where_it_is_wanted(api: Api) -> None:
    api.lease(RUN_A)
    reply: dict[str, Any] = api.tell(RUN_A, "boot_started", wants_run=True).json
    assert reply["run"] == api.run()
    assert api.tell(RUN_A, "media_inserted").json["run"] is None


def test_a_deadline_after_the_end_is_no_line_on_the_timeline_and_none_in_the_feed(api: Api) -> None:
    begun(api)
    api.ok("POST", f"/runs/{RUN_A}/abort", {"reason": "x"})
    before, newest = types(api), api.ok("GET", "/changes?since=0")["newest"]
    assert api.tell(RUN_A, "deadline").status_code == 409
    assert types(api) == before
    assert api.ok("GET", "/changes?since=0")["newest"] == newest


@pytest.mark.parametrize("kind", ["media_inserted", "powered_on", "permit_returned"])
def test_a_step_that_was_taken_is_recorded_and_leaves_the_device_as_it_is(api: Api, kind: str) -> None:
    api.lease()
    api.tell(RUN_A, "boot_started")
    api.tell(RUN_A, "write_requested")
    before = api.ok("GET", "/devices/a")
    answer = api.tell(RUN_A, kind, wants_run=True)
    assert answer.status_code == 202
    assert api.ok("GET", "/devices/a") | {"runs": before["runs"]} == before
    shown = api.run()
    assert {name: answer.json["run"][name] for name in shown} == shown
