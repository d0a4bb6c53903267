"""What an entry of the feed holds: the changes of one transaction to one run or device, as short as they can be.

Of a run there are some twenty changes, so names are left out, and what changes of one transaction have in common is
written once. An API of an earlier build cannot read an entry of several changes, and its followers take a snapshot.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import fields as fields_of
from itertools import groupby
from typing import Any

from pydantic_core import to_json

# Changes that one entry may have: above those of any transaction. Without a bound an entry that was damaged would seem
# to have more changes than there are numbers.
_MOST = 100


@dataclass(frozen=True)
class FeedEntry:
    """One change, as the feed keeps it: the records themselves are read when the feed is.

    Args:
        what: happened, as the timeline names it.
        who: did it.
        run, device: which of them are changed; None: none is. A run that changes alone names its device itself.
        state: of the run afterwards, or of the device where there is no run.
        detail: for people.
    """

    what: str
    who: str
    run: str | None = None
    device: str | None = None
    state: str = ""
    detail: str = ""


def written(changes: Sequence[FeedEntry]) -> Iterator[tuple[int, str]]:
    """Entries for changes of one transaction: how many changes each has, and these as JSON."""
    groups = groupby(enumerate(changes), key=lambda at: (at[0] // _MOST, at[1].who, at[1].run, at[1].device))
    for (_, who, run, device), some in groups:
        together = [change for _, change in some]
        if len(together) == 1:
            yield 1, _json(_short(together[0].what, who, run, device, together[0].state, together[0].detail))
        else:
            lines = [_short(one.what, one.state, one.detail) for one in together]
            yield len(lines), _json({"of": _short(who, run, device), "lines": lines})


def read(stored: bytes) -> list[FeedEntry | None]:
    """The changes of an entry, oldest first; None: one that cannot be read, or an entry that cannot."""
    try:
        found = json.loads(stored)
        if isinstance(found, dict) and "lines" in found:
            return [_together(found["of"], line) for line in found["lines"][:_MOST]] or [None]
        if isinstance(found, dict):  # by an API of an earlier build; the feed is kept for days
            found = [found.get(field.name) or "" for field in fields_of(FeedEntry)]
        return [_alone(found)]
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return [None]


def _together(of: list[Any], line: list[Any]) -> FeedEntry | None:
    who, run, device = _filled(of, 3)
    what, state, detail = _filled(line, 3)
    return _alone([what, who, run, device, state, detail])


def _alone(values: Any) -> FeedEntry | None:
    if not isinstance(values, list) or len(values) < 2 or not values[0]:
        return None
    what, who, run, device, state, detail = _filled(values, 6)
    return FeedEntry(what, who, run or None, device or None, state, detail)


def _filled(values: list[Any], length: int) -> list[str]:
    """What was left out at the end is empty."""
    return [*map(str, values), *[""] * length][:length]


def _short(*values: str | None) -> list[str]:
    """Without what is empty at the end."""
    kept = [value or "" for value in values]
    while kept and not kept[-1]:
        del kept[-1]
    return kept


def _json(value: object) -> str:
    return to_json(value).decode()
