"""How long BMCs took to answer, counted over all workers: one histogram in Redis, whatever the number of BMCs."""

from itertools import accumulate

from api.state.batch import Asked, Batch, fields
from api.state.durations import Histogram
from api.state.redis import Database, Pipeline
from bringup import keys
from bringup.wire.bmc import BMC_BOUNDS_S, BmcRequests

_SUM = "sum_ms"
_NAMES = (*map(str, BMC_BOUNDS_S), "inf")
# Seconds for which the id of a report is remembered: longer than a worker repeats it while the API is away.
_REPEATED_WITHIN_S = 86_400


def add(database: Database, report: BmcRequests) -> bool:
    """Count a report; returns whether it was not counted before.

    Raises:
        RedisUnavailable: Redis does not answer.
    """
    counted = keys.bmc_report(report.id)

    def body(pipe: Pipeline) -> bool:
        if pipe.exists(counted):
            return False
        before = database.fields(keys.BMC_REQUESTS, within=pipe)
        more = dict(zip(_NAMES, report.counts, strict=True)) | {_SUM: round(report.sum_s * 1000)}
        pipe.multi()
        pipe.set(counted, 1, ex=_REPEATED_WITHIN_S)
        pipe.hset(keys.BMC_REQUESTS, mapping={name: int(before.get(name, 0)) + one for name, one in more.items()})
        return True

    # Watched: two workers that report at once must both be counted; and the same report, repeated to another API host
    # while this one is slow, must not be counted by both.
    return database.transact(body, counted, keys.BMC_REQUESTS)


def ask(batch: Batch) -> Asked[Histogram]:
    """All that was counted, read with other things."""
    stored = batch.ask(fields, "HGETALL", keys.BMC_REQUESTS)

    def read() -> Histogram:
        found = stored()
        return Histogram(tuple(accumulate(int(found.get(name, 0)) for name in _NAMES)), int(found.get(_SUM, 0)) / 1000)

    return read
