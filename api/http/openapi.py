"""The OpenAPI document, generated from the message models that the views name."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Flask
from pydantic import BaseModel, RootModel
from spectree import Response, SpecTree
from spectree.models import SecureType, SecurityScheme, SecuritySchemeData
from spectree.plugins.flask_plugin import FlaskPlugin

from api.http.body import LIMIT
from api.http.openapi_replies import open_replies
from bringup import __version__
from bringup.wire.message import Problem

_View = TypeVar("_View", bound=Callable[..., object])


# The attribute of a view that holds its declaration.
_ATTRIBUTE = "bringup_documented"


class Text(RootModel[str]):
    """Plain text, in either direction."""


# Messages that are not application/json, by the name of their model.
_MEDIA_TYPES = {"Problem": "application/problem+json", "Text": "text/plain"}


@dataclass(frozen=True)
class _Declaration:
    responses: tuple[tuple[HTTPStatus, type[BaseModel]], ...]
    body: type[BaseModel] | None
    files: tuple[HTTPStatus, ...]
    refusals: tuple[HTTPStatus, ...]
    public: bool
    query: type[BaseModel] | None
    limit: int

    def applied(self, spec: SpecTree, view: Callable[..., object]) -> Callable[..., object]:
        """The view, as the generator knows it."""
        statuses = _usual(body=self.body is not None, public=self.public) + self.refusals
        statuses += (HTTPStatus.UNPROCESSABLE_ENTITY,) if self.query else ()
        models: dict[str, Any] = {f"HTTP_{status.value}": model for status, model in self.responses}
        models |= {f"HTTP_{status.value}": Problem for status in statuses}
        described: Callable[..., object] = spec.validate(
            json=self.body,
            query=self.query,
            resp=Response(*(f"HTTP_{status.value}" for status in self.files), **models),
            skip_validation=True,
            security=None if self.public else {"bearer": []},
        )(view)
        return described


def documented(
    *responses: tuple[HTTPStatus, type[BaseModel]],
    body: type[BaseModel] | None = None,
    files: tuple[HTTPStatus, ...] = (),
    refusals: tuple[HTTPStatus, ...] = (),
    public: bool = False,
    query: type[BaseModel] | None = None,
    limit: int = LIMIT,
) -> Callable[[_View], _View]:
    """Declare what a view takes and returns, for the OpenAPI document. It validates nothing: `api.http.body` does.

    Args:
        responses: status and model of each response.
        body: model of the request's body; None: the view takes none.
        files: statuses of responses that no model describes.
        refusals: statuses of problem documents, besides those of every such view.
        public: whether no token is required.
        query: model of the parameters in the address; None: the view takes none.
        limit: of the request's body, in bytes.
    """

    def mark(view: _View) -> _View:
        setattr(view, _ATTRIBUTE, _Declaration(responses, body, files, refusals, public, query, limit))
        return view

    return mark


def _usual(*, body: bool, public: bool) -> tuple[HTTPStatus, ...]:
    of_body = (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    )
    return (
        (() if public else (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN))
        + (of_body if body else ())
        + (() if public else (HTTPStatus.SERVICE_UNAVAILABLE,))
    )


class _DeclaredViews(FlaskPlugin):
    """The views that declare themselves; as their own decorator, the generator would slow every start and request."""

    def parse_func(self, route: Any) -> Iterator[tuple[str, Callable[..., object]]]:
        """The methods of a route, and its view with what it declares."""
        for method, view in super().parse_func(route):
            declared: _Declaration | None = getattr(view, _ATTRIBUTE, None)
            if declared:
                yield method, declared.applied(self.spectree, view)


def document(app: Flask) -> dict[str, Any]:
    """The document for ``app``. It takes a quarter of a second, and blocks all else in the process."""
    generator = SpecTree(
        backend=_DeclaredViews,
        title="bringup callback API",
        version=__version__,
        mode="strict",
        annotations=False,
        naming_strategy=lambda model: model.__name__,
        nested_naming_strategy=lambda _parent, child: child,
        validation_error_model=Problem,
        security_schemes=[
            SecurityScheme(name="bearer", data=SecuritySchemeData(type=SecureType.HTTP, scheme="bearer")),
        ],
    )
    with app.app_context():
        generator.app = app
        spec: dict[str, Any] = generator.spec
    for path in spec["paths"].values():
        for call in path.values():
            for message in (call.get("requestBody", {}), *call["responses"].values()):
                _name_its_type(message)
    _name_limits(app, spec["paths"])
    open_replies(spec)
    return spec


def _name_limits(app: Flask, paths: dict[str, Any]) -> None:
    for rule in app.url_map.iter_rules():
        declared: _Declaration | None = getattr(app.view_functions[rule.endpoint], _ATTRIBUTE, None)
        for call in paths.get(re.sub(r"<(\w+)>", r"{\1}", rule.rule), {}).items() if declared else ():
            if call[0].upper() in (rule.methods or ()) and declared and "requestBody" in call[1]:
                call[1]["requestBody"]["description"] = f"At most {declared.limit} bytes, uncompressed."


def _name_its_type(message: dict[str, Any]) -> None:
    """The generator knows one media type; a refusal has its own, and so has text. Source: RFC 9457 s.3."""
    content = message.get("content", {})
    model = content.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
    if model in _MEDIA_TYPES:
        message["content"] = {_MEDIA_TYPES[model]: content["application/json"]}
