"""Refusals as application/problem+json. Every HTTP status of bringup is given here. Source: RFC 9457."""

from collections.abc import Callable, Sequence
from http import HTTPStatus

import structlog
from flask import Flask, Response
from werkzeug.exceptions import HTTPException, RequestedRangeNotSatisfiable

from bringup import errors
from bringup.wire.message import Problem

_MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
_AFTER_AN_OUTAGE_S = 1  # a failover of Redis takes a few seconds: whoever waits longer adds to it
_HEADERS_OF_THE_ANSWER = {"Allow", "Content-Range"}
# `api.state.redis` has logged these, once: a line for each request would fill the disk.
_OUTAGES = {
    errors.RedisUnavailable: "Redis does not answer the API",
    errors.RedisRefusesWrites: "Redis refuses the writes of the API",
    errors.NotReplicated: "the replicas of Redis have not confirmed the change yet",
    errors.RedisRefused: "Redis refuses the API: check REDIS_PASSWORD and the rights of REDIS_USERNAME",
    errors.SettingsError: "the API cannot read what its settings name",
}
# Any client may cause these, and where Redis is or what the inventory holds must be shown to none.
_LOGGED = {
    errors.CorruptRecord: "a record in Redis cannot be read",
    errors.PermanentError: "the API cannot answer this",
    errors.StateDirUnavailable: "the API cannot use its STATE_DIR",
    errors.InventoryError: "the inventory of the API cannot be read",
}


class Refusal(BringupError):
    """Ends a request with a problem document.

    Args:
        kind: last part of the problem's type, a stable word that clients may act on.
        retry_after_s: seconds after which a repeat may succeed.
    """

    def __init__(
        self,
        status: HTTPStatus,
        kind: str,
        detail: str,
        *,
        problems: Sequence[str] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.problems = tuple(problems)
        self.retry_after_s = retry_after_s


def unauthorized(detail: str = "the bearer token is missing or wrong") -> Refusal:
    """401: we do not know who asks."""
    return Refusal(HTTPStatus.UNAUTHORIZED, "unauthorized", detail)


def forbidden(detail: str) -> Refusal:
    """403: we know who asks, and that is not theirs to ask."""
    return Refusal(HTTPStatus.FORBIDDEN, "forbidden", detail)


def unknown_run() -> Refusal:
    """404, in the same words whether the run does not exist or is not the asker's."""
    return Refusal(HTTPStatus.NOT_FOUND, "unknown_run", "there is no such run")


def unknown_artifact(detail: str) -> Refusal:
    """404 for an artifact of a run."""
    return Refusal(HTTPStatus.NOT_FOUND, "unknown_artifact", detail)


def unknown_image() -> Refusal:
    """404 for the image of a run: whoever asks shows no secret that we know."""
    return Refusal(HTTPStatus.NOT_FOUND, "unknown_image", "there is no such image")


def image_replaced() -> Refusal:
    """410: the rest of this image is of another build; a machine must not boot from two halves."""
    return Refusal(HTTPStatus.GONE, "image_replaced", "the image was built anew since this run began; start it again")


def another_image() -> Refusal:
    """412: the caller goes on only with the content that it began with."""
    return Refusal(HTTPStatus.PRECONDITION_FAILED, "another_image", "the image is not the one that If-Match names")


def no_such_bytes(size: int) -> HTTPException:
    """416. ``size`` of the whole file, in bytes."""
    return RequestedRangeNotSatisfiable(size, description=f"the file has {size} bytes")


def misconfigured(detail: str) -> Refusal:
    """500: what the API was given to work with does not do."""
    return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "misconfigured", detail)


def unknown_job() -> Refusal:
    """404 for a job in quarantine."""
    return Refusal(HTTPStatus.NOT_FOUND, "unknown_job", "there is no such job in quarantine")


def unknown_device() -> Refusal:
    """404 for a device."""
    return Refusal(HTTPStatus.NOT_FOUND, "unknown_device", "there is no such device")


def stale(detail: str) -> Refusal:
    """409: the event does not apply to where the run stands now."""
    return Refusal(HTTPStatus.CONFLICT, "stale", detail)


def power_refused(detail: str) -> Refusal:
    """409: the power of this machine must not be switched."""
    return Refusal(HTTPStatus.CONFLICT, "power_refused", detail)


def conflict(detail: str) -> Refusal:
    """409 for anything else that stands in the way."""
    return Refusal(HTTPStatus.CONFLICT, "conflict", detail)


def finished(detail: str) -> Refusal:
    """410: the run has ended; nothing more is wanted of the machine."""
    return Refusal(HTTPStatus.GONE, "finished", detail)


def too_large(limit: int) -> Refusal:
    """413. ``limit`` in bytes."""
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"the body must not exceed {limit} bytes")


def busy(detail: str) -> Refusal:
    """429: the same call may succeed later."""
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, "busy", detail, retry_after_s=RETRY_AFTER_S)


def invalid(detail: str, problems: Sequence[str] = ()) -> Refusal:
    """422: well-formed, but not what the schema asks for."""
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", detail, problems=problems)


def malformed(detail: str) -> Refusal:
    """400: not JSON at all."""
    return Refusal(HTTPStatus.BAD_REQUEST, "malformed", detail)


def unavailable(detail: str, retry_after_s: int = RETRY_AFTER_S) -> Refusal:
    """503: we cannot work now; the caller keeps what it has and comes back."""
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, retry_after_s=retry_after_s)


def register(app: Flask) -> None:
    """Answer every error of ``app`` with a problem document."""
    app.register_error_handler(Refusal, _answer)
    for outage, detail in _OUTAGES.items():
        app.register_error_handler(outage, _of_an_outage(detail))
    for error, detail in _LOGGED.items():
        app.register_error_handler(error, _logged(detail))
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, _answer_bug)


def _answer(refusal: Refusal) -> Response:
    status = refusal.status
    document = Problem(
        type=f"urn:bringup:{refusal.kind}",
        title=status.phrase,
        status=status.value,
        detail=refusal.detail,
        problems=refusal.problems,
    )
    response = Response(document.model_dump_json(exclude_defaults=True), status=status.value, mimetype=_MEDIA_TYPE)
    if refusal.retry_after_s is not None:
        response.headers["Retry-After"] = str(refusal.retry_after_s)
    if status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"  # RFC 6750 s.3
    return response


def _logged(what: str) -> Callable[[Exception], Response]:
    def answer(error: Exception) -> Response:
        structlog.stdlib.get_logger("api").warning(what, why=str(error))
        return _answer(unavailable(f"{what}; its log says more"))

    return answer


def _of_an_outage(what: str) -> Callable[[Exception], Response]:
    def answer(_error: Exception) -> Response:
        return _answer(unavailable(f"{what}; its log says more", retry_after_s=_AFTER_AN_OUTAGE_S))

    return answer


def _answer_http(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    kind = status.name.lower()
    response = _answer(Refusal(status, kind, error.description or status.phrase))
    response.headers.extend((name, value) for name, value in error.get_headers() if name in _HEADERS_OF_THE_ANSWER)
    return response


def _answer_bug(error: Exception) -> Response:
    structlog.stdlib.get_logger("api").exception("unhandled error", error=type(error).__name__)
    return _answer(Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "the API failed; its log says why"))
