"""What is wrong in ``devices.toml``, with the line, the field and its right spelling."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

_HEADER = re.compile(r"\s*\[\[\s*device\s*\]\]")
# How alike a slip and the right name must be, 1 for equal ones: nmae and name have 0.75, memory_gb and memory_gib 0.95.
_CLOSE = 0.6


class EntryLines:
    """Where each entry of the file is. Entries that are not written as ``[[device]]`` have no line.

    Args:
        text: of the file.
    """

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._starts = [number for number, line in enumerate(self._lines) if _HEADER.match(line)]

    def of(self, entry: int, words: Sequence[str] = ()) -> str:
        """``:LINE`` of the first line of an entry that has one of these words, of its head where none has it.

        Args:
            entry: counted from 0.
            words: names of fields, or values as they are written; the first that is found counts.
        """
        if entry >= len(self._starts):
            return ""
        start, end = [*self._starts, len(self._lines)][entry : entry + 2]
        for word in (word for word in words if word and not word.isdecimal()):
            whole = re.compile(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", re.IGNORECASE)
            for number in range(start, end):
                if whole.search(self._lines[number].partition("#")[0]):
                    return f":{number + 1}"
        return f":{start + 1}"


def explained(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], str]]:
    """The way to each wrong field, and what is wrong in words.

    Args:
        error: of one entry.
        model: that the entry was to be.
    """
    for problem in error.errors(include_input=False, include_url=False):
        way = tuple(map(str, problem["loc"]))
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = _unknown(way[-1], _at(model, way[:-1]))
        yield way, message


def _unknown(name: str, model: type[BaseModel] | None) -> str:
    known = list(model.model_fields) if model else []
    near = get_close_matches(name.lower(), known, n=1, cutoff=_CLOSE)
    if near:
        return f"there is no such field; did you mean {near[0]}?"
    return f"there is no such field; known are {', '.join(sorted(known))}"


def _at(model: type[BaseModel], way: Sequence[str]) -> type[BaseModel] | None:
    """The model that a part of an entry was to be: that of ``expected`` for ("expected",)."""
    found: type[BaseModel] | None = model
    for step in way:
        if found and step in found.model_fields:
            found = _model_in(found.model_fields[step].annotation)
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
