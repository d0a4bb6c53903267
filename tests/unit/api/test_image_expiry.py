"""Why a machine that gave no sign of life did not: its image was not read, or it was."""

from datetime import UTC, datetime

import pytest

from api.runs.records import ImageRead, RunRecord
from api.runs.timeouts import PROBE_BYTES, reason_of
from bringup.model import Decision, FailureReason, RunState

NOW = datetime(2026, 11, 23, tzinfo=UTC)
WAITING = RunRecord(
    run_id="02-00-00-00-00-01-1795426896",
    device="a",
    mac="02:00:00:00:00:01",
    ip="10.0.0.1",
    decision=Decision.START,
    state=RunState.WAITING,
    created_at=NOW,
    updated_at=NOW,
)


@pytest.mark.parametrize(
    ("read", "reason", "told"),
    [
        (None, FailureReason.NO_BOOT, "the machine was powered on but gave no sign of life"),
        (ImageRead(0, parameters=False), FailureReason.MEDIA_NOT_READ, "nothing was read"),
        (ImageRead(2048, parameters=False), FailureReason.MEDIA_NOT_READ, "2048 bytes was read"),
        (ImageRead(PROBE_BYTES - 1, parameters=False), FailureReason.MEDIA_NOT_READ, "65535 bytes"),
        (ImageRead(PROBE_BYTES, parameters=False), FailureReason.NO_BOOT, "0.1 MiB"),
        (ImageRead(2048, parameters=True), FailureReason.NO_BOOT, "the image was read"),
        (ImageRead(50 * 1024**2, parameters=True), FailureReason.NO_BOOT, "the image was read (50.0 MiB)"),
    ],
)
def test_silence_is_explained_by_what_was_read(read: ImageRead | None, reason: FailureReason, told: str) -> None:
    found, detail = reason_of(WAITING, 0, read)
    assert found is reason
    assert told in detail


@pytest.mark.parametrize(
    ("changes", "refused", "reason"),
    [
        ({"state": RunState.BOOTING}, 0, FailureReason.WORKER_LOST),
        ({"state": RunState.RUNNING}, 0, FailureReason.NO_NETWORK),
        ({}, 3, FailureReason.CALLBACK_REFUSED),
        ({"boot_ids": ("1", "2", "3")}, 0, FailureReason.NO_BOOT),
    ],
)
def test_what_tells_more_comes_first(changes: dict[str, object], refused: int, reason: FailureReason) -> None:
    assert reason_of(WAITING.model_copy(update=changes), refused, ImageRead(0, parameters=False))[0] is reason
