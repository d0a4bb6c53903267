"""What each answer of a BMC means: the class decides whether it is tried again, the reason what the run gets."""

import json
from typing import Any

import pytest
import requests
from sushy import exceptions as sushy_errors

from bringup.errors import BmcBusy, BmcRejected, BmcUnavailable
from bringup.model import FailureReason
from workers.redfish.error_mapping import redfish_errors
from workers.redfish.refusal import BmcRefusal, raise_for_refusal

REFUSED = FailureReason.MEDIA_REJECTED
LATER, AUTH = FailureReason.BMC_UNREACHABLE, FailureReason.BMC_AUTH


def answer(status: int, body: str = "{}") -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response._content = body.encode()
    return response


def meaning(error: Exception, **how: Any) -> BmcUnavailable | BmcRejected:
    with pytest.raises((BmcUnavailable, BmcRejected)) as raised, redfish_errors("b", "act", refused=REFUSED, **how):
        raise error
    assert isinstance(raised.value, BmcUnavailable | BmcRejected)
    return raised.value


def of_status(status: int, body: str = "{}", **how: Any) -> BmcUnavailable | BmcRejected:
    try:
        raise_for_refusal(answer(status, body))
    except BmcRefusal as error:
        return meaning(error, **how)
    raise AssertionError(f"{status} is taken for success")


@pytest.mark.parametrize("status", [408, 409, 423, 425, 429, 500, 502, 503, 504, 507])
def test_what_may_pass_is_tried_again(status: int) -> None:
    found = of_status(status)
    assert isinstance(found, BmcUnavailable)
    assert found.reason == LATER


@pytest.mark.parametrize("status", [400, 404, 405, 406, 410, 412, 422, 501])
def test_what_will_not_pass_has_the_reason_of_the_step(status: int) -> None:
    found = of_status(status)
    assert isinstance(found, BmcRejected)
    assert found.reason == REFUSED


@pytest.mark.parametrize(("status", "logging_in"), [(401, True), (403, True), (403, False)])
def test_a_refused_account_is_never_tried_again(status: int, *, logging_in: bool) -> None:
    found = of_status(status, logging_in=logging_in)
    assert isinstance(found, BmcRejected)
    assert found.reason == AUTH


def test_a_refused_account_is_reported_with_what_to_look_at() -> None:
    assert "password of the device's credential" in str(of_status(401, logging_in=True))
    assert "the account's role" in str(of_status(403, logging_in=True))


def test_an_ended_session_is_tried_again() -> None:
    assert isinstance(of_status(401), BmcUnavailable)


@pytest.mark.parametrize(
    "body",
    [
        '{"error": {"code": "Base.1.8.SessionLimitExceeded"}}',
        '{"error": {"@Message.ExtendedInfo": [{"MessageId": "Base.1.2.ResourceInUse"}]}}',
        '{"error": {"@Message.ExtendedInfo": {"MessageId": "Base.1.2.ServiceTemporarilyUnavailable"}}}',
    ],
    ids=["code", "list", "object"],
)
@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_limit_counts_more_than_the_status_that_it_comes_with(status: int, body: str) -> None:
    assert isinstance(of_status(status, body, logging_in=True), BmcUnavailable)


def test_a_bmc_that_stays_busy_fails_the_run_for_what_it_would_not_do() -> None:
    assert of_status(503, busy=REFUSED).reason == REFUSED


def test_a_feature_that_the_bmc_lacks_is_a_refusal() -> None:
    found = meaning(sushy_errors.MissingAttributeError(attribute="Actions", resource="r"))
    assert isinstance(found, BmcRejected)
    assert found.reason == REFUSED


def test_what_is_not_redfish_is_tried_again() -> None:
    assert isinstance(meaning(ValueError("no JSON")), BmcUnavailable)


@pytest.mark.parametrize(
    "body", ["[]", "null", "5", '{"error": []}', "[" * 5000], ids=["[]", "null", "5", "list", "deep"]
)
def test_a_refusal_in_an_unknown_form_is_still_a_refusal(body: str) -> None:
    assert isinstance(of_status(400, body), BmcRejected)
    assert isinstance(of_status(503, body), BmcUnavailable)


def test_a_reason_that_is_no_text_is_shown() -> None:
    assert "{'a': 5}" in str(of_status(400, '{"error": {"message": {"a": 5}}}'))
    assert "out of order" in str(of_status(400, '{"error": "out of order"}'))


def test_a_bug_of_ours_is_not_taken_for_an_answer() -> None:
    with pytest.raises(KeyError), redfish_errors("b", "act", refused=REFUSED):
        raise KeyError("a bug")


@pytest.mark.parametrize(
    ("message_id", "waits_for"),
    [
        ("iLO.2.14.UnableToModifyDuringSystemPOST", "the host to leave POST"),
        ("IDRAC.2.8.SYS011", "a pending lifecycle job"),
        ("IDRAC.2.8.RAC0679", "a running lifecycle job"),
    ],
)
def test_a_busy_host_is_waited_for_by_name_and_has_the_reason_of_the_step(message_id: str, waits_for: str) -> None:
    found = of_status(400, json.dumps({"error": {"@Message.ExtendedInfo": [{"MessageId": message_id}]}}))
    assert isinstance(found, BmcBusy)
    assert found.reason == REFUSED
    assert waits_for in str(found)


@pytest.mark.parametrize("status", [409, 423])
def test_a_bmc_that_is_not_free_is_waited_for(status: int) -> None:
    assert isinstance(of_status(status), BmcBusy)


@pytest.mark.parametrize("message_id", ["iLO.2.14.LicenseKeyRequired", "SMC.1.0.OemLicenseNotPassed"])
@pytest.mark.parametrize("status", [400, 403])
def test_a_missing_licence_is_named_and_is_not_the_account(status: int, message_id: str) -> None:
    found = of_status(status, json.dumps({"error": {"@Message.ExtendedInfo": [{"MessageId": message_id}]}}))
    assert isinstance(found, BmcRejected)
    assert found.reason == REFUSED
    assert message_id.rpartition(".")[2] in str(found)


def test_messages_beside_the_error_count_too() -> None:
    found = of_status(400, json.dumps({"@Message.ExtendedInfo": [{"Message": "no such image"}], "error": {}}))
    assert "no such image" in str(found)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("9" * 400, 120.0), ("", None), ("\xb2", None), ("-1", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)],
)
def test_a_retry_after_of_any_form_is_a_bounded_number_of_seconds_or_none(text: str, seconds: float | None) -> None:
    response = answer(503, json.dumps({"error": {"code": "Base.1.0.ServiceTemporarilyUnavailable"}}))
    response.headers["Retry-After"] = text
    found = meaning(BmcRefusal(response))
    assert isinstance(found, BmcBusy)
    assert found.retry_in_s == seconds
