"""PATCH with the ETag that some BMCs insist on, in the form in which they take it.

Source: RFC 9110 s.13.1.1 (If-Match), s.8.8.1 (weak validators); DSP0266 s.6.5 (ETags).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from requests import Response

from workers.redfish.connection import RedfishConnection
from workers.redfish.refusal import Refusal
from workers.redfish.resource import Resource

_PRECONDITION = frozenset({412, 428})  # the ETag does not match; one is required


def patch_current(connection: RedfishConnection, resource: Resource, body: Mapping[str, Any]) -> Response:
    """Change a resource as it was read; after a refused ETag, as it is read again.

    Only a refused ETag is answered with another: such a request has changed nothing. AMI MegaRAC sends a weak ETag
    and wants the strong one back; some refuse every ETag.

    Raises:
        Refusal, NoAnswer: nothing helped.
    """
    tried: list[str | None] = []
    for etag in _candidates(connection, resource):
        if etag in tried:
            continue
        tried.append(etag)
        try:
            return connection.patch(resource.path, body, etag=etag)
        except Refusal as refusal:
            if refusal.status_code not in _PRECONDITION:
                raise
            last = refusal
    raise last


def _candidates(connection: RedfishConnection, resource: Resource) -> Iterator[str | None]:
    yield resource.etag
    fresh = connection.get_ahead(resource.path).etag
    yield fresh
    yield fresh.removeprefix("W/") if fresh else "*"
    yield None
