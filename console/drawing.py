"""The dots of a run as SVG. Made here: a template takes four times as long, and a page has a hundred of them."""

from datetime import datetime

from markupsafe import Markup, escape

from console.dots import HEIGHT, WIDTH, dots_of
from console.state.machine import RunLine

_DOT = '<circle cx="{x:.1f}" cy="10" r="4"/>'
# Around ``x``, in a drawing that is HEIGHT high. Each differs from the others in more than colour.
_SHAPES = {
    "dot": _DOT,
    "step": '<circle cx="{x:.1f}" cy="10" r="1.8"/>',
    "ring": '<circle cx="{x:.1f}" cy="10" r="4.2"/>',
    "cross": '<path d="M{left:.1f} 5.5l9 9m0-9l-9 9"/>',
    "tick": '<path d="M{start:.1f} 10.5l3.4 3.8L{end:.1f} 5.5"/>',
    "triangle": '<path d="M{x:.1f} 4.5l5.5 10h-11z"/>',
    "square": '<path d="M{left:.1f} 5.5h9v9h-9z"/>',
}
_LINE = (
    '<svg class="dots" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}">\n'
    '<path class="axis" d="M4 10h{axis:g}"/>\n{dots}</svg>'
)
_GROUP = '<g class="{shape} {tone}"><title>{title}</title>{drawn}</g>\n'
_EVENT = (
    '<svg class="event" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" focusable="false">'
    '<g class="{shape} {tone}">{drawn}</g></svg>'
)


def line_of(run: RunLine, device: str, now: datetime) -> Markup:
    """The line of ``run``.

    Args:
        run: as the list has it.
        device: the name of its machine.
        now: where the axis of a run that is open ends.
    """
    found = dots_of(run, now)
    last = f", the last: {found[-1].title}" if found else ""
    label = escape(f"Run of {device}: {len(found)} events{last}")
    dots = "".join(
        _GROUP.format(shape=dot.shape, tone=dot.tone, title=escape(dot.title), drawn=_drawn(dot.shape, dot.x))
        for dot in found
    )
    line = _LINE.format(width=WIDTH, height=HEIGHT, axis=WIDTH - 8, label=label, dots=dots)
    return Markup(line)  # noqa: S704 - what others have written is escaped above


def event_mark(shape: str, tone: str) -> Markup:
    """One dot by itself, as beside an event of a timeline."""
    event = _EVENT.format(shape=escape(shape), tone=escape(tone), drawn=_drawn(shape, 10.0))
    return Markup(event)  # noqa: S704 - both words are escaped above


def _drawn(shape: str, x: float) -> str:
    return _SHAPES.get(shape, _DOT).format(x=x, left=x - 4.5, start=x - 5, end=x + 5)
