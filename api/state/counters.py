"""Counters of runs, all in one string of Redis: what a change counts, however much, is one command.

A counter is a signed number of 64 bits at a place of its own, and a row has 32 of them. No place is ever given to
another counter: what is new in a row comes after the others, and so does a new row.
"""

from collections.abc import Callable, Mapping
from typing import Any

from api.state.batch import Asked, Batch, number, stored_bytes
from api.state.redis import Pipeline
from bringup import keys

# The rows of ends, and their places: in which state and for which reason ("": none) runs have ended.
_ENDS = ("passed", "degraded", "failed", "timed_out", "aborted", "audited")
_REASONS = (
    *("", "bmc_unreachable", "bmc_auth", "media_rejected", "media_not_read", "no_boot", "no_network", "tls_clock"),
    *("tls_trust", "callback_refused", "check_failed", "worker_lost", "wrong_machine", "aborted"),
)
# The row of the first histogram: before it there is room for ten more ways to end.
_HISTOGRAMS = 16
_PLACES_OF_A_ROW = 32
_BYTES = 8


def place_of_end(state: str, reason: str) -> int:
    """Where runs are counted that have ended in this way."""
    return _ENDS.index(state) * _PLACES_OF_A_ROW + _REASONS.index(reason)


def places_of_histogram(row: int) -> range:
    """Where a histogram is counted.

    Args:
        row: of the histogram, from 0.
    """
    first = (_HISTOGRAMS + row) * _PLACES_OF_A_ROW
    return range(first, first + _PLACES_OF_A_ROW)


def add(pipe: Pipeline, amounts: Mapping[int, int]) -> None:
    """Count.

    Args:
        pipe: of the transaction, after MULTI.
        amounts: how much, by place.
    """
    if amounts:
        each = (part for place, amount in amounts.items() for part in ("INCRBY", "i64", f"#{place}", amount))
        raw: Any = pipe  # redis-py does not type it
        raw.execute_command("BITFIELD", keys.COUNTERS, *each)


def ask(batch: Batch) -> Asked[Callable[[int], int]]:
    """What is counted at each place, read with other things."""
    stored = batch.ask(stored_bytes, "GET", keys.COUNTERS)

    def read() -> Callable[[int], int]:
        text = stored() or b""
        # It is as long as the highest place at which was counted: a number is whole, or not there.
        return lambda place: int.from_bytes(text[place * _BYTES : (place + 1) * _BYTES], signed=True)

    return read


def ask_ends(batch: Batch) -> Asked[dict[tuple[str, str], int]]:
    """How often runs have ended by state and reason ("": none), read with other things."""
    counted = ask(batch)
    # As APIs before 0.2 count them.
    ways = [(state, reason) for state in _ENDS for reason in _REASONS]
    before = {way: batch.ask(number, "GET", keys.ended_runs(*way)) for way in ways}

    def read() -> dict[tuple[str, str], int]:
        now = counted()
        each = {way: earlier() + now(place_of_end(*way)) for way, earlier in before.items()}
        return {way: count for way, count in each.items() if count}

    return read
