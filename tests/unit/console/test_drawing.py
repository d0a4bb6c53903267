"""The dots of a run as SVG: a shape for each kind, and whatever others have written is text."""

from datetime import timedelta

from bringup.model import RunState
from console.drawing import event_mark, line_of
from console.state.machine import EventDot, RunLine
from tests.unit.console.conftest import AT, run_of
from tests.unit.console.test_pages import MARKUP, is_text

SHAPES = ("dot", "step", "ring", "cross", "tick", "triangle", "square")


def test_each_shape_is_drawn_in_a_way_of_its_own() -> None:
    drawn = {event_mark(shape, "moving").partition("moving")[2] for shape in SHAPES}
    assert len(drawn) == len(SHAPES)


def test_a_shape_that_only_a_newer_version_knows_is_a_dot() -> None:
    assert event_mark("star", "moving").partition("moving")[2] == event_mark("dot", "moving").partition("moving")[2]


def test_what_machines_and_people_have_written_is_text_in_the_line() -> None:
    run = RunLine.of(run_of("a"), (EventDot(AT, MARKUP, MARKUP, MARKUP),))
    text = line_of(run, MARKUP, AT + timedelta(seconds=9))
    assert is_text(f"<body>{text}</body>")
    assert "&lt;" in text
    assert "&lt;" in event_mark("<", "moving")


def test_a_quote_does_not_end_the_label() -> None:
    text = line_of(RunLine.of(run_of("a")), 'a" onload="x', AT)
    assert 'onload="' not in text


def test_the_line_says_how_many_events_there_are_and_the_last() -> None:
    ended = run_of("a", RunState.PASSED, ended_at=AT + timedelta(seconds=5))
    text = line_of(RunLine.of(ended), "a", AT)
    assert 'aria-label="Run of a: 2 events, the last: 03:00:05 UTC (+5 s) passed"' in text
    assert text.count("<g ") == 2
