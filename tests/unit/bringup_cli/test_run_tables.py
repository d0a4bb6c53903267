"""What `bringup run show` prints of a run whose BMC is tried again."""

from datetime import UTC, datetime, timedelta

import pytest

from bringup.model import Decision, RunState
from bringup.wire.run import RunDetail, TimelineEntry
from bringup_cli.run_tables import print_run

AT = datetime(2026, 11, 30, 3, 0, tzinfo=UTC)


def run(retry_at: datetime | None) -> RunDetail:
    entry = TimelineEntry(
        at=AT,
        type="retry_scheduled",
        state=RunState.BOOTING,
        applied=True,
        detail="503",
        next_at=AT + timedelta(seconds=7),
    )
    return RunDetail(
        run_id="02-00-00-00-00-01-1",
        device="a",
        mac="02:00:00:00:00:01",
        ip="192.0.2.1",
        decision=Decision.START,
        state=RunState.BOOTING,
        created_at=AT,
        updated_at=AT,
        retry_at=retry_at,
        timeline=(entry,),
    )


def test_a_run_that_is_tried_again_shows_why_and_when(capsys: pytest.CaptureFixture[str]) -> None:
    print_run(run(AT + timedelta(seconds=7)))
    text = " ".join(capsys.readouterr().out.split())
    assert "The next try at its BMC: 2026-11-30 03:00:07 UTC" in text
    assert "503 (next try at 03:00:07 UTC)" in text


def test_a_run_that_goes_on_announces_no_try(capsys: pytest.CaptureFixture[str]) -> None:
    print_run(run(None))
    assert "The next try at its BMC" not in capsys.readouterr().out
