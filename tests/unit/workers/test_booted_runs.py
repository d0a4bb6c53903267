"""What a process remembers of the runs that it has booted."""

import pytest

from bringup.settings import Settings
from tests.unit.workers.fakes import RUN_ID, World
from workers import booted_runs


def test_a_run_is_remembered_once(fast_settings: Settings) -> None:
    run, booted = World(fast_settings).api.run(RUN_ID), booted_runs.BootedRuns()
    booted.remember(run, None)
    found = booted.take(RUN_ID)
    assert found
    assert found.power_on_requested_at
    assert booted.take(RUN_ID) is None


def test_the_oldest_is_forgotten_where_there_are_too_many(
    fast_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booted_runs, "_MOST", 2)
    run, booted = World(fast_settings).api.run(RUN_ID), booted_runs.BootedRuns()
    for name in "abc":
        booted.remember(run.model_copy(update={"run_id": name}), None)
    assert [booted.take(name) is not None for name in "abc"] == [False, True, True]
