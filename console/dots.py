"""The dots of a run: where each event is on the line, its shape, and what it says. Pure; the template draws them."""

from dataclasses import dataclass
from datetime import datetime

from console.state.machine import RunEvent, RunLine
from console.words import STATES, Tone

# Of the drawing, in its own units: the style sheet scales it.
WIDTH, HEIGHT = 240.0, 20.0
_MARGIN = 8.0
# Between two dots at least: a dot is 10 wide, and dots of one second must not hide each other.
_APART = 12.0
_PEOPLES = frozenset({"abort"})
_TROUBLE = frozenset({"bmc_busy", "boot_failed", "tls_failure", "deadline", "worker_lost"})
_WORDS = {
    "lease": "lease: the run begins",
    "power_requested": "power-off permitted",
    "power_on_requested": "power-on permitted",
    "heartbeat": "heartbeat of the machine",
    "media_inserted": "medium inserted",
    "boot_override_set": "boot order set for one boot",
    "media_minted": "image made for this machine",
    "bmc_busy": "its BMC is busy; tried again",
}


@dataclass(frozen=True)
class Dot:
    """One event.

    Args:
        x: of its centre.
        shape: dot: done; ring: awaited; cross: failed; tick: passed; triangle: trouble; square: a person did it.
        title: what happened, and when.
    """

    x: float
    shape: str
    tone: str
    title: str


def event_word(kind: str) -> str:
    """An event of a timeline as words."""
    return _WORDS.get(kind) or (STATES[kind].word if kind in STATES else kind.replace("_", " "))


def dots_of(run: RunLine, now: datetime) -> list[Dot]:
    """The dots of ``run`` on an axis from its begin to its end, or to ``now``, with a ring for what is awaited."""
    begin = run.created_at
    end = run.ended_at or now
    length = max((end - begin).total_seconds(), 1.0)
    shown = [_dot(event, begin, length) for event in run.events if event.at <= end]
    if run.is_open:
        shown.append(Dot(WIDTH - _MARGIN, "ring", "moving", f"awaited since {run.updated_at:%H:%M:%S} UTC"))
    return _apart(shown)


def _dot(event: RunEvent, begin: datetime, length: float) -> Dot:
    after_s = max(0.0, (event.at - begin).total_seconds())
    x = _MARGIN + (WIDTH - 2 * _MARGIN) * min(1.0, after_s / length)
    by = f" by {event.who}" if event.who else ""
    detail = f": {event.detail}" if event.detail else ""
    return Dot(x, *_look(event), f"{event.at:%H:%M:%S} UTC (+{span(after_s)}) {event_word(event.kind)}{by}{detail}")


def _look(event: RunEvent) -> tuple[str, str]:
    if event.who or event.kind in _PEOPLES:
        return "square", Tone.CAUTION
    if event.kind in _TROUBLE:
        return "triangle", Tone.CAUTION
    word = STATES.get(event.kind)
    ending = {Tone.BAD: "cross", Tone.GOOD: "tick", Tone.CAUTION: "triangle"}
    if word and word.tone in ending and event.kind not in {"active", "validated"}:
        return ending[word.tone], word.tone
    return "dot", Tone.MOVING


def _apart(dots: list[Dot]) -> list[Dot]:
    """Dots that are too near to each other move apart, in their order; all stay on the line."""
    if not dots:
        return dots
    room = WIDTH - 2 * _MARGIN
    apart = min(_APART, room / max(1, len(dots) - 1))
    places: list[float] = []
    for dot in dots:
        places.append(max(dot.x, places[-1] + apart) if places else dot.x)
    limit = WIDTH - _MARGIN
    for index in range(len(places) - 1, -1, -1):
        places[index] = min(places[index], limit)
        limit = places[index] - apart
    return [Dot(round(x, 1), dot.shape, dot.tone, dot.title) for x, dot in zip(places, dots, strict=True)]


def span(seconds: float) -> str:
    """A duration as people say it: the two largest units."""
    whole = max(0, int(seconds))
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    for index, (name, size) in enumerate(units):
        if whole >= size or name == "s":
            count, rest = divmod(whole, size)
            if name == "s" or index + 1 == len(units):
                return f"{count} {name}"
            small, smaller = units[index + 1]
            part = rest // smaller
            return f"{count} {name} {part} {small}" if part and count < 10 else f"{count} {name}"
    return "0 s"
