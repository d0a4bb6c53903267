"""The dots of a run: where each event is on the line, its shape, and its text. Pure; `drawing` draws them."""

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from console.state.machine import EventDot, RunLine
from console.words import STATES, Tone

# Of the drawing, in its own units: the style sheet scales it.
WIDTH, HEIGHT = 240.0, 20.0
_MARGIN = 8.0
# Between two events at least: half of what both are wide, so that events of one second do not hide each other.
_APART = {"step": 3.5}
_APART_ELSE = 6.0
_PEOPLES = frozenset({"abort"})
_TROUBLE = frozenset(
    {"bmc_busy", "retry_scheduled", "boot_failed", "tls_failure", "deadline", "worker_lost", "another_boot"}
)
# The steps of bringup itself, between the events that a person looks for: small dots.
_STEPS = frozenset(
    {
        "media_minted",
        "machine_identified",
        "write_requested",
        "override_requested",
        "boot_override_set",
        "power_requested",
        "power_on_requested",
        "permit_returned",
        "boot_slot_given",
        "cleanup_requested",
        "power_off_requested",
        "finished",
    }
)
_WORDS = {
    "lease": "lease: the run begins",
    "abort": "aborted",
    "boot_slot_given": "boot slot given",
    "write_requested": "writing to the BMC permitted",
    "override_requested": "boot order permitted",
    "power_requested": "power-off permitted",
    "power_on_requested": "power-on permitted",
    "power_off_requested": "power-off after the run permitted",
    "cleanup_requested": "clean-up permitted",
    "permit_returned": "permit returned",
    "heartbeat": "heartbeat of the machine",
    "boot_override_set": "boot order set for one boot",
    "media_minted": "image made for this machine",
    "bmc_busy": "its BMC is busy; tried again",
    "retry_scheduled": "the BMC did not do it; tried again",
}


@dataclass(frozen=True)
class Dot:
    """One event.

    Args:
        x: of its centre.
        shape: dot: done; step: of bringup itself; ring: awaited; cross: failed; tick: passed; triangle: look here;
            square: a person did it.
        title: what happened, and when.
    """

    x: float
    shape: str
    tone: str
    title: str


def event_word(kind: str) -> str:
    """An event of a timeline as words."""
    return _WORDS.get(kind) or (STATES[kind].word if kind in STATES else kind.replace("_", " "))


def look_of(kind: str, *, by_person: bool = False) -> tuple[str, Tone]:
    """Shape and tone of an event."""
    if by_person or kind in _PEOPLES:
        return "square", Tone.CAUTION
    if kind in _TROUBLE:
        return "triangle", Tone.CAUTION
    word = STATES.get(kind)
    ending = {Tone.BAD: "cross", Tone.GOOD: "tick", Tone.CAUTION: "triangle"}
    if word and word.tone in ending:
        return ending[word.tone], word.tone
    return ("step" if kind in _STEPS else "dot"), Tone.MOVING


def dots_of(run: RunLine, now: datetime) -> list[Dot]:
    """The dots of ``run`` on an axis from its begin to its end, or to ``now``, with a ring for what is awaited."""
    begin = run.created_at
    end = run.ended_at or now
    length = max((end - begin).total_seconds(), 1.0)
    shown = [_dot(event, begin, length) for event in run.events if event.at <= end]
    if run.is_open:
        shown.append(Dot(WIDTH - _MARGIN, "ring", "moving", f"awaited since {run.updated_at:%H:%M:%S} UTC"))
    return _apart(shown)


def _dot(event: EventDot, begin: datetime, length: float) -> Dot:
    after_s = max(0.0, (event.at - begin).total_seconds())
    x = _MARGIN + (WIDTH - 2 * _MARGIN) * min(1.0, after_s / length)
    by = f" by {event.who}" if event.who else ""
    detail = f": {event.detail}" if event.detail else ""
    look = look_of(event.kind, by_person=bool(event.who))
    return Dot(x, *look, f"{event.at:%H:%M:%S} UTC (+{span(after_s)}) {event_word(event.kind)}{by}{detail}")


def _apart(dots: list[Dot]) -> list[Dot]:
    """Dots that are too near to each other move apart, in their order; all stay on the line."""
    room = WIDTH - 2 * _MARGIN
    gaps = [_half(left) + _half(right) for left, right in pairwise(dots)]
    scale = min(1.0, room / max(sum(gaps), 1.0))
    places = [dot.x for dot in dots]
    for index, gap in enumerate(gaps):
        places[index + 1] = max(places[index + 1], places[index] + gap * scale)
    limit = WIDTH - _MARGIN
    for index in range(len(places) - 1, -1, -1):
        places[index] = min(places[index], limit)
        limit = places[index] - (gaps[index - 1] * scale if index else 0.0)
    return [replace(dot, x=round(x, 1)) for x, dot in zip(places, dots, strict=True)]


def _half(dot: Dot) -> float:
    return _APART.get(dot.shape, _APART_ELSE)


def span(seconds: float) -> str:
    """A duration as people say it: the two largest units; below a second in milliseconds."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    whole = max(0, int(seconds))
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    name, size, smaller = "s", 1, ("", 1)
    for index, (unit, length) in enumerate(units):
        if whole >= length:
            name, size = unit, length
            smaller = units[index + 1] if index + 1 < len(units) else ("", 1)
            break
    count, part = whole // size, whole % size // smaller[1]
    return f"{count} {name} {part} {smaller[0]}" if smaller[0] and part and count < 10 else f"{count} {name}"
