"""How long runs last, how long they are in a state, and how long BMCs take to answer.

What is of runs is counted in the transactions that change them, by one command each, and a scrape reads one string,
whatever the number of runs.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from api.runs.records import RunRecord
from api.state import counters
from api.state.batch import Asked, Batch, fields, number
from api.state.redis import Database, Pipeline
from bringup import keys, model
from bringup.wire.bmc import BMC_BOUNDS_S, BmcRequests

# Seconds. From a BMC that answers at once to RUN_TIMEOUT_S; the last one has no end.
BOUNDS = (1, 5, 15, 60, 180, 300, 600, 1200, 1800, 3600, 7200)
# States whose begin is on record of the run: a BMC is at work in `booting`, a machine starts in `waiting`.
STATES = (model.RunState.QUEUED, model.RunState.BOOTING, model.RunState.WAITING)
ENDS = tuple(state for state in model.RunState if state.ended and state is not model.RunState.AUDITED)
_OF_STATE, _OF_RUN, _SUM = "state", "run", "sum_ms"
_BUCKETS = (*map(str, BOUNDS), "inf")
# The rows of the counters: what is counted, and the state. New ones come at the end, see `api.state.counters`; and
# another bound needs other rows. The sum is at the end of a row.
_ROWS = (
    *((_OF_STATE, state) for state in ("queued", "booting", "waiting")),
    *((_OF_RUN, state) for state in ("passed", "degraded", "failed", "timed_out", "aborted")),
)
_SUM_AT = -1
# Of how long BMCs take to answer: one histogram of all workers, whatever the number of BMCs.
_BMC_BUCKETS = (*map(str, BMC_BOUNDS_S), "inf")
# Seconds for which the id of a report is remembered: longer than a worker repeats it while the API is away.
_REPEATED_WITHIN_S = 86_400


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


def counted(run: RunRecord, before: RunRecord | None) -> dict[int, int]:
    """What a change adds to the counters of `api.state.counters`: the durations that end with it.

    Args:
        run: as it will be.
        before: as it is on record; None: there is none.
    """
    if before is None or before.state is run.state:
        return {}
    begin = _begin(before)
    in_state = _duration(_OF_STATE, before.state, begin, run.updated_at) if begin else {}
    return in_state | (_duration(_OF_RUN, run.state, run.created_at, run.updated_at) if run.state in ENDS else {})


def ask(batch: Batch) -> Asked[Durations]:
    """All that was counted, read with other things."""
    now = counters.ask(batch)
    in_state = {state: _ask(batch, _OF_STATE, state, now) for state in STATES}
    of_runs = {state: _ask(batch, _OF_RUN, state, now) for state in ENDS}
    return lambda: Durations(
        {state: read() for state, read in in_state.items()}, {state: read() for state, read in of_runs.items()}
    )


def add_bmc_requests(database: Database, report: BmcRequests) -> bool:
    """Count a report of a worker; returns whether it was not counted before.

    Raises:
        RedisUnavailable: Redis does not answer.
    """
    counted = keys.bmc_report(report.id)

    def body(pipe: Pipeline) -> bool:
        if pipe.exists(counted):
            return False
        before = database.fields(keys.BMC_REQUESTS, within=pipe)
        more = dict(zip(_BMC_BUCKETS, report.counts, strict=True)) | {_SUM: round(report.sum_s * 1000)}
        pipe.multi()
        pipe.set(counted, 1, ex=_REPEATED_WITHIN_S)
        pipe.hset(keys.BMC_REQUESTS, mapping={name: number(before.get(name)) + one for name, one in more.items()})
        return True

    # Watched: two workers that report at once must both be counted; and the same report, repeated to another API host
    # while this one is slow, must not be counted by both.
    return database.transact(body, counted, keys.BMC_REQUESTS)


def ask_bmc_requests(batch: Batch) -> Asked[Histogram]:
    """How long BMCs took to answer all workers, read with other things."""
    stored = batch.ask(fields, "HGETALL", keys.BMC_REQUESTS)

    def read() -> Histogram:
        found = stored()
        return Histogram(
            tuple(accumulate(number(found.get(name)) for name in _BMC_BUCKETS)), number(found.get(_SUM)) / 1000
        )

    return read


def _begin(run: RunRecord) -> datetime | None:
    """When a run came into its state; None: it is not on record."""
    begins = {
        model.RunState.QUEUED: run.created_at,
        model.RunState.BOOTING: run.boot_started_at,
        model.RunState.WAITING: run.powered_on_at,
    }
    return begins.get(run.state)


def _duration(kind: str, state: model.RunState, begin: datetime, end: datetime) -> dict[int, int]:
    seconds = max(0.0, (end - begin).total_seconds())  # clocks of two API hosts differ a little
    places = _places(kind, state)
    return {places[bisect_left(BOUNDS, seconds)]: 1, places[_SUM_AT]: round(seconds * 1000)}


def _places(kind: str, state: model.RunState) -> range:
    return counters.places_of_histogram(_ROWS.index((kind, state.value)))


def _ask(batch: Batch, kind: str, state: model.RunState, counted: Asked[Callable[[int], int]]) -> Asked[Histogram]:
    # As APIs before 0.2 count them.
    before = [batch.ask(number, "GET", keys.durations(kind, state.value, name)) for name in (*_BUCKETS, _SUM)]
    places = _places(kind, state)

    def read() -> Histogram:
        now, (*earlier, sum_ms) = counted(), [ask() for ask in before]
        buckets = accumulate(number + now(place) for number, place in zip(earlier, places, strict=False))
        return Histogram(tuple(buckets), (sum_ms + now(places[_SUM_AT])) / 1000)

    return read
