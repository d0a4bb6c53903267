"""How many runs have ever ended in which way: counted in the transaction that ends them, for Prometheus."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from api.runs.records import RunRecord
from api.state.redis import Database
from bringup import keys
from bringup.model import FailureReason, RunState

if TYPE_CHECKING:
    from redis.client import Pipeline

_REASONS = ("", *(reason.value for reason in FailureReason))
_WAYS = [(state.value, reason) for state in RunState if state.ended for reason in _REASONS]


def count(pipe: "Pipeline", run: RunRecord) -> None:
    """Count a run as it is written, if it ends with this very write; what follows its end is later."""
    if run.ended_at is not None and run.ended_at == run.updated_at:
        pipe.incr(keys.ended_runs(run.state.value, str(run.reason or "")))


def counts(database: Database) -> Iterator[tuple[tuple[str, str], int]]:
    """State and reason ("": none) of every way in which a run has ended, and how often.

    Raises:
        RedisUnavailable: Redis does not answer.
    """
    with database.errors(), database.connection.pipeline(transaction=False) as pipe:
        for way in _WAYS:
            pipe.get(keys.ended_runs(*way))
        found: list[Any] = pipe.execute()
    return ((way, int(number)) for way, number in zip(_WAYS, found, strict=True) if number)
