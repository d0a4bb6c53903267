"""The OpenAPI document, generated from the message models that the views name."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Flask
from pydantic import BaseModel, RootModel
from spectree import Response, SpecTree
from spectree.models import SecureType, SecurityScheme, SecuritySchemeData
from spectree.plugins.flask_plugin import FlaskPlugin

from bringup import __version__
from bringup.wire.message import Problem

_View = TypeVar("_View", bound=Callable[..., object])


class _DescriptionsOnly(FlaskPlugin):
    """The generator's own way to call a view would read every response whole, images too."""

    def validate(self, func: Callable[..., Any], *_described: object, **path: object) -> Any:
        """Call the view."""
        return func(**path)


_spec = SpecTree(  # holds no state of an application: only what views declare of themselves
    backend=_DescriptionsOnly,
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


class Text(RootModel[str]):
    """Plain text, in either direction."""


# Messages that are not application/json, by the name of their model.
_MEDIA_TYPES = {"Problem": "application/problem+json", "Text": "text/plain"}


def documented(
    *responses: tuple[HTTPStatus, type[BaseModel]],
    body: type[BaseModel] | None = None,
    files: tuple[HTTPStatus, ...] = (),
    refusals: tuple[HTTPStatus, ...] = (),
    public: bool = False,
) -> Callable[[_View], _View]:
    """Declare what a view takes and returns, for the OpenAPI document. It validates nothing: `api.http.body` does.

    Args:
        responses: status and model of each response.
        body: model of the request's body; None: the view takes none.
        files: statuses of responses that no model describes.
        refusals: statuses of problem documents, besides those of every such view.
        public: whether no token is required.
    """
    models: dict[str, Any] = {f"HTTP_{status.value}": model for status, model in responses}
    models |= {f"HTTP_{status.value}": Problem for status in _usual(body=body is not None, public=public) + refusals}
    return _spec.validate(
        json=body,
        resp=Response(*(f"HTTP_{status.value}" for status in files), **models),
        skip_validation=True,
        security=None if public else {"bearer": []},
    )


def _usual(*, body: bool, public: bool) -> tuple[HTTPStatus, ...]:
    of_body = (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    )
    return (
        (() if public else (HTTPStatus.UNAUTHORIZED,))
        + (of_body if body else ())
        + (() if public else (HTTPStatus.SERVICE_UNAVAILABLE,))
    )


def document(app: Flask) -> dict[str, Any]:
    """The document for ``app``."""
    with app.app_context():
        _spec.app = app
        spec: dict[str, Any] = _spec.spec
    for path in spec["paths"].values():
        for call in path.values():
            for message in (call.get("requestBody", {}), *call["responses"].values()):
                _name_its_type(message)
    return spec


def _name_its_type(message: dict[str, Any]) -> None:
    """The generator knows one media type; a refusal has its own, and so has text. Source: RFC 9457 s.3."""
    content = message.get("content", {})
    model = content.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
    if model in _MEDIA_TYPES:
        message["content"] = {_MEDIA_TYPES[model]: content["application/json"]}
