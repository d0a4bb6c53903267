"""The whole fleet as small squares: a block for each page of the list by name, which is where it leads. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from console.state.machine import Machine
from console.state.query import PAGE_ROWS
from console.words import STATES, Tone

# Squares in a row of a block; ten rows of them are a page of the list.
_COLUMNS = 10
# Between the left edges of two squares, in the units of the drawing.
_PITCH = 8
# Each tone has a size or shape of its own, so that colour is not needed: what is bad fills its place.
_SHAPES = {
    Tone.BAD: "M{x} {y}h7v7h-7z",
    Tone.CAUTION: "M{x} {bottom}h7l-3.5-7z",
    Tone.MOVING: "M{x} {y}h7v7h-7zm2 2v3h3v-3z",
    Tone.GOOD: "M{inner} {inner_y}h4v4h-4z",
    Tone.IDLE: "M{inner} {middle}h4v1h-4z",
}
# The worst is drawn first.
_ORDER = (Tone.BAD, Tone.CAUTION, Tone.MOVING, Tone.GOOD, Tone.IDLE)


@dataclass(frozen=True)
class Block:
    """The machines of one page of the list.

    Args:
        page: its number.
        title: which machines they are, and how many are in which state.
        paths: what to draw, by tone.
        height: of the drawing.
    """

    page: int
    title: str
    paths: tuple[tuple[Tone, str], ...]
    height: int


WIDTH = _COLUMNS * _PITCH


def legend() -> dict[Tone, str]:
    """One square of each tone."""
    return {tone: _square(tone, 0, 0) for tone in _ORDER}


def blocks_of(machines: Sequence[Machine]) -> list[Block]:
    """The blocks of all machines, which are sorted by name."""
    starts = range(0, len(machines), PAGE_ROWS)
    return [_block(number + 1, machines[start : start + PAGE_ROWS]) for number, start in enumerate(starts)]


def _block(page: int, machines: Sequence[Machine]) -> Block:
    drawn: dict[Tone, list[str]] = {tone: [] for tone in _ORDER}
    for index, machine in enumerate(machines):
        row, column = divmod(index, _COLUMNS)
        tone = STATES[machine.state].tone
        drawn[tone].append(_square(tone, column * _PITCH, row * _PITCH))
    counts = Counter(STATES[machine.state].word for machine in machines)
    listed = ", ".join(f"{count} {word}" for word, count in counts.most_common())
    title = f"{machines[0].name} to {machines[-1].name}: {listed}"
    height = -(-len(machines) // _COLUMNS) * _PITCH
    return Block(page, title, tuple((tone, "".join(parts)) for tone, parts in drawn.items() if parts), height)


def _square(tone: Tone, x: int, y: int) -> str:
    return _SHAPES[tone].format(x=x, y=y, bottom=y + 7, inner=x + 1.5, inner_y=y + 1.5, middle=y + 3)
