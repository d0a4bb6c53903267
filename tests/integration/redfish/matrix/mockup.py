"""Captures read back, and what they still name."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workers.redfish import capture


def read_mockup(folder: Path) -> dict[str, Any]:
    """The resources of a mockup, by path."""
    return {
        "/" + file.parent.relative_to(folder).as_posix(): json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(folder.rglob(capture._FILE))
    }


def names_in(resources: Mapping[str, Any]) -> Iterator[str]:
    """What would still be taken for a MAC, a UUID or an address of a real machine."""
    for text in _texts(resources):
        for pattern in (capture._UUID, capture._MAC, capture._IPV4):
            yield from (m[0] for m in pattern.finditer(text) if not _is_made_up(m[0].lower()))


def _is_made_up(text: str) -> bool:
    return bool(capture._FORMS.fullmatch(text) or capture._FORMS.fullmatch(text.replace("-", ":")))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value
