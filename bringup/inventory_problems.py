"""What is wrong in ``devices.toml``, with the line, the field and its right spelling."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

_Model = TypeVar("_Model", bound=BaseModel)

# As many as MAX_CONCURRENT_BOOTS may be: more in one group would limit nothing.
_MOST_BOOTS = 100_000
_HEADER = re.compile(r"\s*\[\[\s*device\s*\]\]")
# A line number in what tomllib reports, and a member of an enumeration as pydantic shows it.
_AT_LINE = re.compile(r"at line (\d+)")
_MEMBER = re.compile(r"<\w+\.\w+: ('[^']*')>")
# By what pydantic calls a problem: what to write instead.
_WORDS = {
    "missing": "must be set",
    "string_type": 'must be a text in quotes, such as "x"',
    "tuple_type": 'must be a list, such as ["x", "y"]',
    "model_type": "must be a table, such as { x = 1 }",
}
# What the patterns of these fields mean.
_PATTERNS = {
    "name": "must be lower-case letters, digits, dots and hyphens, 63 at most",
    "bmc": "must be a URL such as https://192.0.2.10, or simulated://... for no real BMC; without a name or password",
    "credential": "must be the name of a file in BMC_CREDENTIALS_DIR, without .toml: letters, digits, . _ and -",
}
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


def boot_groups_in(document: Mapping[str, object], path: Path) -> tuple[dict[str, int], list[str]]:
    """The limits of boot groups that are right, by group, and what is wrong with the others."""
    table = document.get("boot_groups", {})
    if not isinstance(table, dict):
        return {}, [f"{path}: write [boot_groups], and below it a line such as rack-12 = 4"]
    # bool is an int in Python, and `true` is no number of machines.
    right = {name: number for name, number in table.items() if type(number) is int and 1 <= number <= _MOST_BOOTS}
    return right, [
        f"{path}: boot_groups.{name}: must be a number of machines from 1 to {_MOST_BOOTS}"
        for name in sorted(table.keys() - right.keys())
    ]


def without_limit(group: str | None, limits: Mapping[str, int]) -> str | None:
    """What is wrong with a machine's boot group, if anything: one without a limit is a slip, and would boot at once."""
    if group is None or group in limits:
        return None
    near = get_close_matches(group, limits, n=1)
    return f"[boot_groups] has no {group!r}; " + (f"did you mean {near[0]}?" if near else "add it there")


def explained(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], str]]:
    """The way to each wrong field, and what is wrong in words.

    Args:
        error: of one entry.
        model: that the entry was to be.
    """
    for problem in error.errors(include_input=False, include_url=False):
        way = tuple(map(str, problem["loc"]))
        message = _in_words(problem["type"], way, problem["msg"])
        if problem["type"] == "literal_error" and (near := _nearest(problem, error)):
            message += f"; did you mean {near}?"
        if problem["type"] == "extra_forbidden":
            message = _unknown(way[-1], _at(model, way[:-1]))
        yield way, message


def without_unknown_fields(entry: Mapping[str, object], error: ValidationError, model: type[_Model]) -> _Model | None:
    """A wrong entry to compare with the others, so that all problems are named at once; None: more of it is wrong.

    Args:
        entry: as it is in the file.
        error: of this entry.
        model: that the entry was to be.
    """
    unknown = {problem["loc"][0] for problem in error.errors() if problem["type"] == "extra_forbidden"}
    if len(unknown) == error.error_count():
        with suppress(ValidationError):
            return model.model_validate({name: value for name, value in entry.items() if name not in unknown})
    return None


def toml_problem(error: UnicodeDecodeError | tomllib.TOMLDecodeError) -> tuple[str, str]:
    """``:LINE`` and what is wrong with a file that is no TOML."""
    if isinstance(error, UnicodeDecodeError):
        return f":{error.object[: error.start].count(10) + 1}", "this is not text in UTF-8"
    line = _AT_LINE.search(str(error))
    if "overwrite" in str(error):
        text = "this name was given before"
    else:
        text = f"{error}; this is no TOML: write a text in quotes, a list in brackets, a table in braces"
    return f":{line[1]}" if line else "", text


def _in_words(kind: str, way: Sequence[str], message: str) -> str:
    if kind == "string_pattern_mismatch" and len(way) == 1 and way[0] in _PATTERNS:
        return _PATTERNS[way[0]]
    plain = _MEMBER.sub(r"\1", message).removeprefix("Value error, ")
    return _WORDS.get(kind) or re.sub(r"^(Input|String) should", "must", plain)


def _nearest(problem: Any, error: ValidationError) -> str | None:
    """The right word for a slip."""
    given = next(one["input"] for one in error.errors(include_url=False) if one["loc"] == problem["loc"])
    right = re.findall(r"'([^']*)'", _MEMBER.sub(r"\1", problem["msg"]))
    return next(iter(get_close_matches(str(given).lower(), right, n=1, cutoff=_CLOSE)), None)


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
