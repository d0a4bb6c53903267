"""What the OpenAPI document promises of replies: less than what it asks of requests.

A request is read strictly, and a field that it must not have is refused. A reply of a newer version may have fields
that this one does not know: a client that was generated from this document must read it all the same.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
# Behind the name of a message that is asked for and answered: each has a schema of its own.
_SUFFIX = "InReply"
_PLACE = "#/components/schemas/"


def open_replies(document: Schema) -> None:
    """Let what is answered have more fields than the document names; what is asked for stays as strict as it is."""
    schemas: Schema = document["components"]["schemas"]
    calls = [call for path in document["paths"].values() for call in path.values()]
    answers = [call["responses"] for call in calls]
    asked = _reached([{**call, "responses": {}} for call in calls], schemas)
    answered = _reached(answers, schemas)
    renamed = {name: f"{name}{_SUFFIX}" for name in answered & asked if schemas[name].get("type") == "object"}
    for name in sorted(answered):
        if name in asked and name not in renamed:
            continue  # a word or a text: it is the same in both directions
        opened = {key: value for key, value in schemas[name].items() if key != "additionalProperties"}
        schemas[renamed.get(name, name)] = _with_names(opened, renamed)
    for call in calls:
        call["responses"] = _with_names(call["responses"], renamed)


def _reached(node: Any, schemas: Schema) -> set[str]:
    """The names of all schemas that a part of the document refers to, at every depth."""
    found: set[str] = set()
    new = set(_references(node))
    while new:
        found |= new
        new = {name for known in new for name in _references(schemas[known])} - found
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if str(node.get("$ref", "")).startswith(_PLACE):
            yield node["$ref"].removeprefix(_PLACE)
        node = list(node.values())
    for child in node if isinstance(node, list) else ():
        yield from _references(child)


def _with_names(node: Any, renamed: dict[str, str]) -> Any:
    """The same part of the document, with the references that are renamed."""
    if isinstance(node, list):
        return [_with_names(child, renamed) for child in node]
    if not isinstance(node, dict):
        return node
    changed = {key: _with_names(child, renamed) for key, child in node.items()}
    if str(node.get("$ref", "")).startswith(_PLACE):
        name = node["$ref"].removeprefix(_PLACE)
        changed["$ref"] = f"{_PLACE}{renamed.get(name, name)}"
    return changed
