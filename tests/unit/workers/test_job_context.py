"""What a BMC shows may be of any length and of any characters: what a worker posts of it is a message all the same."""

import pytest

from bringup.wire.run_events import LONGEST_RETRY_S, EventType, RunEvent
from workers.bmc import ReportedIdentity
from workers.job_context import Callback

HOSTILE = ["\n" * 2000, "\u2028" * 2000, "\ud800" * 2000, "\U000e0001" * 2000, "x" * 2000]


class Kept:
    """Keeps what would be sent."""

    def post(self, _path: str, event: RunEvent, _reply: object) -> None:
        self.sent, self.fields = event.model_dump_json(), event.model_fields_set


@pytest.mark.parametrize("text", HOSTILE)
def test_a_detail_is_escaped_before_it_is_cut(text: str) -> None:
    kept = Kept()
    Callback(kept).post_event("02-00-00-00-00-01-1", EventType.BOOT_FAILED, detail=text)  # type: ignore[arg-type]
    assert len(RunEvent.model_validate_json(kept.sent).detail) == 1024


@pytest.mark.parametrize("text", HOSTILE)
def test_an_identity_is_escaped_before_it_is_cut(text: str) -> None:
    message = ReportedIdentity(serial=text, uuid=text, macs=(text,), system_path=text).message()
    assert len(message.serial or "") == 128
    message.model_dump_json()


def test_a_retry_that_is_later_than_the_api_takes_is_posted_as_the_latest_that_it_takes() -> None:
    kept = Kept()
    Callback(kept).post_event("02-00-00-00-00-01-1", EventType.RETRY_SCHEDULED, retry_in_s=10 * LONGEST_RETRY_S)  # type: ignore[arg-type]
    assert RunEvent.model_validate_json(kept.sent).retry_in_s == LONGEST_RETRY_S


def test_what_an_event_does_not_need_is_not_sent_for_an_older_api_refuses_what_it_does_not_know() -> None:
    kept = Kept()
    Callback(kept).post_event("02-00-00-00-00-01-1", EventType.BOOT_STARTED)  # type: ignore[arg-type]
    assert not kept.fields & {"before", "wants_run", "wants_media", "retry_in_s"}
