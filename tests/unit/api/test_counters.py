"""Counters of runs keep their places: a string of an earlier version is read by the next."""

import pytest

from api.state import counters, durations
from bringup import model

ENDS = [state for state in model.RunState if state.ended]


def test_each_way_to_end_has_a_place_of_its_own() -> None:
    ways = [(state.value, reason) for state in ENDS for reason in ("", *map(str, model.FailureReason))]
    places = [counters.place_of_end(*way) for way in ways]
    assert len(set(places)) == len(ways)
    assert max(places) < min(counters.places_of_histogram(0))


@pytest.mark.parametrize(
    ("state", "reason", "place"),
    [("passed", "", 0), ("failed", "check_failed", 74), ("aborted", "aborted", 141), ("audited", "", 160)],
)
def test_a_way_to_end_stays_where_it_is(state: str, reason: str, place: int) -> None:
    assert counters.place_of_end(state, reason) == place


def test_each_histogram_has_places_of_its_own() -> None:
    rows = [durations._places(durations._OF_STATE, state) for state in durations.STATES]
    rows += [durations._places(durations._OF_RUN, state) for state in durations.ENDS]
    places = [place for row in rows for place in row]
    assert len(set(places)) == len(places)
    assert rows[0][0] == 512
    assert len(durations.BOUNDS) + 2 <= len(rows[0])


@pytest.mark.parametrize(
    ("kind", "state", "first", "total"),
    [("state", "queued", 512, 543), ("state", "waiting", 576, 607), ("run", "passed", 608, 639)],
)
def test_a_histogram_stays_where_it_is(kind: str, state: str, first: int, total: int) -> None:
    places = durations._places(kind, model.RunState(state))
    assert (places[0], places[durations._SUM_AT]) == (first, total)
