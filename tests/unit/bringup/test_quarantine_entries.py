"""What is on record of a job in quarantine may be written by others."""

import pytest

from bringup.quarantine import _known


@pytest.mark.parametrize("at", ["2026-01-01T00:00:00", "no time", ""])
def test_an_entry_whose_time_cannot_be_compared_is_shown_as_unreadable(at: str) -> None:
    stored = f'{{"job_id": "x", "queue": "leases", "reason": "", "at": "{at}"}}'.encode()
    assert "cannot be read" in _known("x", stored).reason
