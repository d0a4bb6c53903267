"""The bodies of requests and responses. Of a request: limits first, then JSON, then the schema, then any look-up."""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from itertools import chain, islice
from typing import Any, TypeVar

from flask import Response, g, request
from gunicorn.http.errors import ParseException
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json
from werkzeug.exceptions import ClientDisconnected

from api.http.problems import Refusal, invalid, malformed, too_large
from bringup import __version__

# Sizes in binary units, as operating systems count them.
KIB = 1024
MIB = 1024**2
# Any call but a report: the largest of these, a lease or an event, has a few KiB.
LIMIT = 1 * MIB
# As many elements as a body may have, of 160 bytes each: those of a real report are shorter.
REPORT_LIMIT = 16 * MIB
# Of nested JSON: our own schemas are 6 deep, and a parser that recurses runs out of stack at about 1,000.
DEEPEST = 25
# The largest real report has a third of this. Each element costs a hundred times its size once it is parsed.
MOST_ELEMENTS = 100_000
# In one refusal: enough to find the mistake, and no amplifier for a body of a thousand wrong fields.
_MOST_PROBLEMS = 20

# Bytes: about one packet, which is as fast uncompressed.
_NOT_WORTH_COMPRESSING = 1400
# Elements of a list that are text at once: some 150 kB of runs.
_ELEMENTS_AT_ONCE = 100
_Model = TypeVar("_Model", bound=BaseModel)


def read(model: type[_Model], limit: int = LIMIT) -> _Model:
    """The request's JSON body as ``model``.

    Args:
        limit: most bytes read.

    Raises:
        Refusal: 413 too large, 415 not JSON by its type, 400 not JSON, 422 too deep or not fitting the schema.
    """
    # In this order, each step bounds the next: size, elements, depth, schema.
    raw = _read_raw(limit, "application/json", "not_json")
    if sum(raw.count(mark) for mark in (b",", b"{", b"[")) > MOST_ELEMENTS:
        raise invalid(f"the body has more than {MOST_ELEMENTS} elements")
    try:
        document = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise malformed(f"the body is not JSON: {str(error)[:200]}") from None
    if _deeper_than(document, DEEPEST):
        raise invalid(f"the body is nested more than {DEEPEST} deep")
    try:
        # Strict: "60" is no number of seconds, and a misspelt field that is dropped would be a false green.
        return model.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise invalid("the body does not fit the schema", _in_words(error)) from None


def read_query(model: type[_Model]) -> _Model:
    """The query of the request's address as ``model``.

    Raises:
        Refusal: 422 one of the parameters is unknown, wrong, or given twice.
    """
    given = {name: request.args.getlist(name) for name in request.args}
    if twice := sorted(name for name, values in given.items() if len(values) > 1):
        raise invalid(f"{twice[0][:100]}: is given {len(given[twice[0]])} times")
    try:
        return model.model_validate({name: values[0] for name, values in given.items()})
    except ValidationError as error:
        raise invalid("the query does not fit the call", _in_words(error)) from None


def read_text(limit: int) -> bytes:
    """The request's plain text, byte for byte.

    Args:
        limit: most bytes read.

    Raises:
        Refusal: 413 too large, 415 not plain text by its type, 400 it did not come whole.
    """
    return _read_raw(limit, "text/plain", "not_text")


def read_bytes(limit: int, media_type: str) -> bytes:
    """The request's body of another media type, byte for byte.

    Args:
        limit: most bytes read.
        media_type: of the body.

    Raises:
        Refusal: 413 too large, 415 of another type, 400 it did not come whole.
    """
    return _read_raw(limit, media_type, "wrong_type")


def respond(message: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """``message`` as JSON."""
    return Response(message.model_dump_json(), status=status.value, mimetype="application/json")


def json_pieces(before: str, documents: Iterable[Any], after: str) -> Iterator[bytes]:
    """A JSON array, a hundred of its elements at a time: ten thousand runs as text are 15 MB.

    Args:
        before, after: what is around the array.
        documents: its elements.
    """
    yield before.encode() + b"["
    remaining, separator = iter(documents), b""
    while some := list(islice(remaining, _ELEMENTS_AT_ONCE)):
        yield separator + to_json(some)[1:-1]
        separator = b","
    yield b"]" + after.encode()


def respond_compressed(message: BaseModel | Iterable[bytes]) -> Response:
    """``message`` compressed for a client that takes it: to a tenth of its size.

    Args:
        message: or pieces of JSON, each of which is compressed before the next is made.
    """
    pieces = iter([message.model_dump_json().encode()] if isinstance(message, BaseModel) else message)
    start = b""
    while len(start) <= _NOT_WORTH_COMPRESSING and (piece := next(pieces, None)) is not None:
        start += piece
    is_compressed = bool(request.accept_encodings.quality("gzip")) and len(start) > _NOT_WORTH_COMPRESSING
    body = _gzip(chain([start], pieces)) if is_compressed else b"".join([start, *pieces])
    response = Response(body, mimetype="application/json")
    response.vary.add("Accept-Encoding")
    if is_compressed:
        response.content_encoding = "gzip"
    return response


def _gzip(pieces: Iterable[bytes]) -> bytes:
    # Level 1: most of the gain, for a third of the time of the default. 31: with the header of gzip (zlib's manual).
    packing = zlib.compressobj(level=1, wbits=31)
    return b"".join([*map(packing.compress, pieces), packing.flush()])


def respond_unless_known(version: str | None, make: Callable[[], Iterable[bytes]]) -> Response:
    """What ``make`` makes, compressed; 304 for a client that has it already. Source: RFC 9110 s.13.1.2.

    Args:
        version: another one whenever ``make`` may make something else; None: that is not known.
        make: pieces of JSON; called after ``version`` was read, so that a change in between is sent and not missed.
    """
    if version is None:
        return respond_compressed(make())
    # Of the address too: one client asks for several pages. Of our version: another one may show more.
    text = f"{__version__} {request.full_path} {version}"
    tag = hashlib.sha256(text.encode()).hexdigest()[:32]
    if request.if_none_match.contains_weak(tag):
        response = Response(status=HTTPStatus.NOT_MODIFIED.value)
        response.vary.add("Accept-Encoding")
    else:
        response = respond_compressed(make())
    response.set_etag(tag, weak=True)  # weak: compressed or not, it is the same list
    response.cache_control.no_cache = True  # who keeps it asks each time
    response.cache_control.private = True
    return response


def close_unread(response: Response) -> Response:
    """End the connection of a request whose body was not read: the server would wait for the rest of it."""
    if not _was_read() and (request.content_length or "chunked" in request.headers.get("Transfer-Encoding", "")):
        response.headers["Connection"] = "close"
    return response


def _was_read() -> bool:
    return bool(g.get("body_was_read"))


def _read_raw(limit: int, media_type: str, kind: str) -> bytes:
    if request.mimetype != media_type or request.content_encoding:
        detail = f"send Content-Type: {media_type}, uncompressed"
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, kind, detail)
    raw = _received(limit)
    g.body_was_read = True
    return raw


def _received(limit: int) -> bytes:
    """A chunked body announces no length, and werkzeug cuts it at its limit silently: so that is one byte more."""
    if (request.content_length or 0) > limit:
        raise too_large(limit)
    request.max_content_length = limit + 1
    try:
        raw = request.get_data(cache=False)
    except (ClientDisconnected, ParseException) as error:
        raise malformed(f"the body did not come whole: {type(error).__name__}") from None
    if len(raw) > limit:
        raise too_large(limit)
    return raw


def _deeper_than(document: Any, most: int) -> bool:
    """Level by level, not by recursion: depth is what a hostile body attacks."""
    level = [document]
    for _ in range(most + 1):
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return True


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def _in_words(error: ValidationError) -> list[str]:
    found = error.errors(include_input=False, include_url=False, include_context=False)
    lines = [f"{'.'.join(map(str, p['loc'])) or 'body'}: {p['msg']}"[:200] for p in found[:_MOST_PROBLEMS]]
    return lines + ([f"and {len(found) - _MOST_PROBLEMS} more"] if len(found) > _MOST_PROBLEMS else [])
