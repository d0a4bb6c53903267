"""How long runs last, and how long they are in a state, counted in the transactions that change them.

Each duration is two counters more in its transaction, and a scrape reads a fixed number of them, whatever the number of
runs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from api.runs.records import RunRecord
from api.state.batch import Asked, Batch, number
from api.state.redis import Pipeline
from bringup import keys, model

# Seconds. From a BMC that answers at once to RUN_TIMEOUT_S; the last one has no end.
BOUNDS = (1, 5, 15, 60, 180, 300, 600, 1200, 1800, 3600, 7200)
# States whose begin is on record of the run: a BMC is at work in `booting`, a machine starts in `waiting`.
STATES = (model.RunState.QUEUED, model.RunState.BOOTING, model.RunState.WAITING)
ENDS = tuple(state for state in model.RunState if state.ended and state is not model.RunState.AUDITED)
_OF_STATE, _OF_RUN, _SUM = "state", "run", "sum_ms"


@dataclass(frozen=True)
class Histogram:
    """Durations that were counted.

    Args:
        buckets: those up to each of `BOUNDS`, and last all of them.
        sum_s: of all.
    """

    buckets: tuple[int, ...]
    sum_s: float


@dataclass(frozen=True)
class Durations:
    """What was counted: how long runs were in each state, and how long each lasted, by the state in which it ended."""

    in_state: Mapping[model.RunState, Histogram]
    of_runs: Mapping[model.RunState, Histogram]


def count(pipe: Pipeline, run: RunRecord, before: RunRecord | None) -> None:
    """Count what ends with this change.

    Args:
        pipe: of the transaction, after MULTI.
        run: as it will be.
        before: as it is on record; None: there is none.
    """
    if before is None or before.state is run.state:
        return
    begin = _begin(before)
    if begin is not None:
        _add(pipe, _OF_STATE, before.state, begin, run.updated_at)
    if run.state in ENDS:
        _add(pipe, _OF_RUN, run.state, run.created_at, run.updated_at)


def ask(batch: Batch) -> Asked[Durations]:
    """All that was counted, read with other things."""
    in_state = {state: _ask(batch, _OF_STATE, state) for state in STATES}
    of_runs = {state: _ask(batch, _OF_RUN, state) for state in ENDS}
    return lambda: Durations(
        {state: read() for state, read in in_state.items()}, {state: read() for state, read in of_runs.items()}
    )


def _begin(run: RunRecord) -> datetime | None:
    """When a run came into its state; None: it is not on record."""
    begins = {
        model.RunState.QUEUED: run.created_at,
        model.RunState.BOOTING: run.boot_started_at,
        model.RunState.WAITING: run.powered_on_at,
    }
    return begins.get(run.state)


def _add(pipe: Pipeline, kind: str, state: model.RunState, begin: datetime, end: datetime) -> None:
    seconds = max(0.0, (end - begin).total_seconds())  # clocks of two API hosts differ a little
    bound = next((str(one) for one in BOUNDS if seconds <= one), "inf")
    pipe.incrby(keys.durations(kind, state.value, bound), 1)
    pipe.incrby(keys.durations(kind, state.value, _SUM), round(seconds * 1000))


def _ask(batch: Batch, kind: str, state: model.RunState) -> Asked[Histogram]:
    names = (*map(str, BOUNDS), "inf")
    asked = [batch.ask(number, "GET", keys.durations(kind, state.value, name)) for name in names]
    total = batch.ask(number, "GET", keys.durations(kind, state.value, _SUM))
    return lambda: Histogram(tuple(_cumulative(read() for read in asked)), total() / 1000)


def _cumulative(counts: Iterator[int]) -> Iterator[int]:
    total = 0
    for one in counts:
        total += one
        yield total
