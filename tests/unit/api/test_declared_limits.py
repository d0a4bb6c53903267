"""The limits in the OpenAPI document are those of the API: what it declares is taken, and one more is refused.

From the schema of each body and query that a view declares, every limit is tried: with the largest value that it
allows, and with one beyond it.
"""

import json
from collections.abc import Callable, Iterator
from pkgutil import iter_modules
from types import FunctionType
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from api import views
from api.http import openapi
from bringup.wire.machine import Heartbeat

Schema = dict[str, Any]
# The longest text of a pattern, where there is one.
LONGEST = {
    r"^[0-9a-f]{64}$": "0" * 64,
    r"^[0-9A-Fa-f]{1,64}$": "Ab" * 32,
    r"^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$": "02:00:00:00:0A:01",
    r"^[0-9]{1,15}$": "9" * 15,
    r"^0*[1-9][0-9]{0,14}$": "9" * 15,
    r"^([1-9][0-9]{0,3}|10000)$": "10000",
    r"^([0-9a-f]{2}-){6}[0-9]{1,12}$": "02-00-00-00-00-01-999999999999",
    r"^[a-z0-9-]{1,63}\.[a-z]{1,20}\.bringup\.internal$": "w1.worker.bringup.internal",
}
BEYOND_PATTERN = {r"^([1-9][0-9]{0,3}|10000)$": "10001"}


def text_of(pattern: str) -> str:
    """A text that the pattern takes: the first that is made, for it is the simplest; to look for others takes 1 s."""
    first = settings(phases=[Phase.generate], max_examples=1, database=None)
    return LONGEST.get(pattern) or find(st.from_regex(pattern, fullmatch=True), lambda _: True, settings=first)


FORMATS = {"date-time": "2026-11-29T10:00:00Z", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}


class Tried(NamedTuple):
    """A value at a limit, and one beyond it; the place is for the name of the test."""

    place: str
    allowed: Any
    beyond: Any


class Limits:
    """The limits of a schema, with values for each."""

    def __init__(self, definitions: Schema) -> None:
        self._definitions = definitions

    def of(self, schema: Schema) -> Iterator[Tried]:
        """Every limit of the schema and of all within it."""
        schema = self._resolved(schema)
        for one in schema.get("anyOf", ()):
            yield from self.of(one)
        kinds: dict[str, Callable[[Schema], Iterator[Tried]]] = {
            "string": self._of_text,
            "integer": self._of_number,
            "number": self._of_number,
            "array": self._of_array,
            "object": self._of_object,
        }
        if schema.get("type") in kinds:
            yield from kinds[schema["type"]](schema)

    def example(self, schema: Schema) -> Any:
        """A small value that the schema allows."""
        schema = self._resolved(schema)
        if "anyOf" in schema:
            return self.example(schema["anyOf"][0])
        for word in ("const", "default"):
            if word in schema:
                return schema[word]
        return self._example_of_type(schema)

    def _example_of_type(self, schema: Schema) -> Any:
        match schema:
            case {"enum": [first, *_]}:
                return first
            case {"type": "string"}:
                known = text_of(schema["pattern"]) if "pattern" in schema else FORMATS.get(schema.get("format", ""))
                return known or "x" * max(schema.get("minLength", 0), 1)
            case {"prefixItems": items}:
                return [self.example(item) for item in items]
            case {"type": "array"}:
                return [self._item(schema)] * schema.get("minItems", 0)
            case {"type": "object"}:
                return {name: self.example(schema["properties"][name]) for name in schema.get("required", ())}
        return {"boolean": False, "null": None}.get(schema["type"], schema.get("minimum", 0))

    def _resolved(self, schema: Schema) -> Schema:
        name = schema.get("$ref", "").rpartition("/")[2]
        return self._definitions[name] if name else schema

    def _of_text(self, schema: Schema) -> Iterator[Tried]:
        if "enum" in schema or "const" in schema:
            for word in schema.get("enum", [schema.get("const")]):
                yield Tried("word", word, "no such word")
        if "pattern" in schema:
            pattern, example = schema["pattern"], text_of(schema["pattern"])
            yield Tried("pattern", example, BEYOND_PATTERN.get(pattern, f"{example}~"))
        if "format" in schema:
            yield Tried("format", FORMATS[schema["format"]], "soon")
        if "maxLength" in schema:
            yield Tried("longest", "x" * schema["maxLength"], "x" * (schema["maxLength"] + 1))
        if "minLength" in schema:
            yield Tried("shortest", "x" * schema["minLength"], "x" * (schema["minLength"] - 1))

    def _of_number(self, schema: Schema) -> Iterator[Tried]:
        if "minimum" in schema:
            yield Tried("least", schema["minimum"], schema["minimum"] - 1)
        if "maximum" in schema:
            yield Tried("most", schema["maximum"], schema["maximum"] + 1)
        if "exclusiveMaximum" in schema:
            yield Tried("most", schema["exclusiveMaximum"] - 1, schema["exclusiveMaximum"])

    def _of_array(self, schema: Schema) -> Iterator[Tried]:
        item = self._item(schema)
        if "maxItems" in schema and "prefixItems" not in schema:
            yield Tried("most items", [item] * schema["maxItems"], [item] * (schema["maxItems"] + 1))
        if schema.get("minItems") and "prefixItems" not in schema:
            yield Tried("fewest items", [item] * schema["minItems"], [item] * (schema["minItems"] - 1))
        for inner in self.of(schema["items"]) if "items" in schema else ():
            number = max(1, schema.get("minItems", 0))
            yield Tried(f"[] {inner.place}", [inner.allowed] * number, [inner.beyond] * number)

    def _of_object(self, schema: Schema) -> Iterator[Tried]:
        base = self.example(schema)
        if schema.get("additionalProperties") is False:
            yield Tried("surplus", base, {**base, "surplus": 1})
        for name in schema.get("required", ()):
            yield Tried(f"{name} missing", base, {key: value for key, value in base.items() if key != name})
        for name, inner_schema in schema.get("properties", {}).items():
            for inner in self.of(inner_schema):
                yield Tried(f"{name} {inner.place}", {**base, name: inner.allowed}, {**base, name: inner.beyond})
        for pattern, inner_schema in schema.get("patternProperties", {}).items():
            key, value = text_of(pattern), self.example(inner_schema)
            yield Tried("key", {key: value}, {f"{key}~": value})
            most = schema["maxProperties"]
            keys = [f"w{number}{key[2:]}" for number in range(most + 1)]
            yield Tried("most keys", dict.fromkeys(keys[:most], value), dict.fromkeys(keys, value))

    def _item(self, schema: Schema) -> Any:
        return self.example(schema["items"]) if "items" in schema else None


def declared(kind: str) -> list[type[BaseModel]]:
    """The models of one kind, ``body`` or ``query``, that the views declare."""
    modules = [__import__(f"api.views.{found.name}", fromlist=["x"]) for found in iter_modules(views.__path__)]
    # By type: to look at what stands for Flask's request is an error outside of one.
    functions = (one for module in modules for one in vars(module).values() if isinstance(one, FunctionType))
    declarations = (getattr(function, "bringup_documented", None) for function in functions)
    models = {getattr(one, kind) for one in declarations if one} - {None, openapi.Text}
    return sorted(models, key=lambda model: str(model.__name__))


def limits(model: type[BaseModel]) -> list[Tried]:
    schema = model.model_json_schema()
    return list(Limits(schema.get("$defs", {})).of(schema))


def is_taken(model: type[BaseModel], body: Any) -> bool:
    try:
        model.model_validate_json(json.dumps(body), strict=True)
    except ValidationError:
        return False
    return True


def is_taken_as_query(model: type[BaseModel], query: dict[str, Any]) -> bool:
    try:
        model.model_validate({name: value for name, value in query.items() if value is not None})
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("model", declared("body"), ids=lambda model: model.__name__)
def test_a_body_is_taken_up_to_each_limit_that_is_declared_and_not_beyond(model: type[BaseModel]) -> None:
    wrong = [one.place for one in limits(model) if not is_taken(model, one.allowed) or is_taken(model, one.beyond)]
    assert wrong == []


@pytest.mark.parametrize("model", declared("query"), ids=lambda model: model.__name__)
def test_a_query_is_taken_up_to_each_limit_that_is_declared_and_not_beyond(model: type[BaseModel]) -> None:
    wrong = [
        one.place
        for one in limits(model)
        if not is_taken_as_query(model, one.allowed) or is_taken_as_query(model, one.beyond)
    ]
    assert wrong == []


def test_the_limits_are_found_at_every_depth() -> None:
    assert len(declared("body")) >= 14
    assert len(declared("query")) >= 3
    assert {"boot_id longest", "boot_id shortest", "uptime_s least", "surplus"} <= {
        one.place for one in limits(Heartbeat)
    }
    report = next(model for model in declared("body") if model.__name__ == "Report")
    places = {one.place for one in limits(report)}
    assert {"inventory disks most items", "inventory disks [] smart passed"} & places
    assert len(places) > 100
