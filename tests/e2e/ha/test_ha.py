"""A host is lost that has the master of Redis and the first API; scripts/e2e-ha loses each host."""

from pathlib import Path

import pytest

from tests.e2e.ha.scenario import play


@pytest.mark.slow
@pytest.mark.parametrize("use_tls", [False, True], ids=["plain", "tls"])
def test_the_loss_of_a_host_with_the_master_and_an_api_loses_no_lease_and_powers_no_machine_twice(
    tmp_path: Path,
    use_tls: bool,  # noqa: FBT001 - a parameter of pytest
) -> None:
    outcome = play(tmp_path / "site", ["h1"], use_tls=use_tls, log=print)
    assert outcome.problems == []
    assert [(line.lost, line.powered_twice, line.stuck) for line in outcome.table] == [(0, 0, 0)] * len(outcome.table)
    assert outcome.resumed_s[0][1] < float("inf")
