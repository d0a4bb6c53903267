"""One failover of a whole site; scripts/e2e-failover does it seven times and measures how long it takes."""

from pathlib import Path

import pytest

from tests.e2e.failover.scenario import play


@pytest.mark.slow
@pytest.mark.parametrize("use_tls", [False, True], ids=["plain", "tls"])
def test_a_failover_loses_no_lease_powers_no_machine_twice_and_leaves_no_run_open(
    tmp_path: Path,
    use_tls: bool,  # noqa: FBT001 - a parameter of pytest
) -> None:
    outcome = play(tmp_path / "site", 1, use_tls=use_tls)
    (line,) = outcome.table
    assert outcome.problems == []
    assert (line.lost, line.powered_twice, line.stuck, line.ended_by_fault) == (0, 0, 0, 0)
    assert len(outcome.resumed_s) == 1
    assert outcome.resumed_s[0] < float("inf")
