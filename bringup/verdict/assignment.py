"""Gives each of several wishes a part of its own, for as many wishes as possible."""

from collections import deque
from collections.abc import Sequence


def assign(fits: Sequence[Sequence[int]]) -> dict[int, int]:
    """The largest possible assignment, so that no wish fails because another took its only part.

    Args:
        fits: for each wish the parts, by number, that would do.

    Returns:
        Wish to part, both by number; no part twice.

    Source: augmenting paths, Berge 1957 ("Two theorems in graph theory").
    """
    given: dict[int, int] = {}
    for wish in range(len(fits)):
        _augment(wish, fits, given)
    return given


def _augment(start: int, fits: Sequence[Sequence[int]], given: dict[int, int]) -> None:
    """Give ``start`` a part, moving other wishes to other parts where that frees one."""
    owner = {part: wish for wish, part in given.items()}
    reached_from: dict[int, int] = {}  # part -> the wish that would take it
    waiting = deque([start])
    while waiting:
        wish = waiting.popleft()
        for part in fits[wish]:
            if part in reached_from:
                continue
            reached_from[part] = wish
            if part not in owner:
                _take(part, reached_from, given)
                return
            waiting.append(owner[part])


def _take(free: int, reached_from: dict[int, int], given: dict[int, int]) -> None:
    """Along the path back to its start, each wish takes the part that it reached."""
    part: int | None = free
    while part is not None:
        wish = reached_from[part]
        before = given.get(wish)
        given[wish] = part
        part = before
