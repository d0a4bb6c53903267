"""A worker posts the steps that it has taken with its next event: all of them apply, or none."""

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


def test_of_another_machine_the_run_ends_and_no_permit_is_given(api: Api) -> None:
    begun(api)
    reply = api.tell(RUN_A, "write_requested", before=[{"type": "machine_identified", "identity": ANOTHER}])
    assert (reply.json["state"], reply.json["permit_s"]) == ("failed", None)
    assert api.run()["reason"] == "wrong_machine"
    assert types(api)[-1:] == ["wrong_machine"]


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
