"""Refusals as application/problem+json. Every HTTP status of bringup is given here. Source: RFC 9457."""

from collections.abc import Callable, Sequence
from http import HTTPStatus

from flask import Flask, Response
from werkzeug.exceptions import HTTPException, RequestedRangeNotSatisfiable

from bringup import errors, log
from bringup.wire.message import Problem

# RFC 9457 s.3.
_MEDIA_TYPE = "application/problem+json"
# What is busy or unavailable for a reason of its own: a boot slot or a command takes seconds at least.
RETRY_AFTER_S = 5
# A failover of Redis takes a few seconds: a client that waits longer adds to the outage.
_AFTER_AN_OUTAGE_S = 1
# Of werkzeug's own errors: without these a client cannot know what would be allowed, or how long a file is.
_KEPT_HEADERS = {"Allow", "Content-Range"}
# `api.state.redis` has logged these, once: a line for each request would fill the disk.
_OUTAGES = {
    errors.RedisUnavailable: "Redis does not answer the API",
    errors.RedisRefusesWrites: "Redis refuses the writes of the API",
    errors.NotReplicated: "the replicas of Redis have not confirmed the change yet",
    errors.RedisRefused: "Redis refuses the API: check REDIS_PASSWORD and the rights of REDIS_USERNAME",
    errors.SettingsError: "the API cannot read what its settings name",
    errors.NotYet: "the inventory of the API has changed and is being read: nothing is decided until then",
}
# Any client may cause these, and where Redis is or what the inventory holds must be shown to none.
_LOGGED = {
    errors.CorruptRecord: "a record in Redis cannot be read",
    errors.PermanentError: "the API cannot serve this request",
    errors.AuditError: "the audit log cannot be written: nothing is changed",
    errors.StateDirUnavailable: "the API cannot use its STATE_DIR",
    errors.InventoryError: "the inventory of the API cannot be read: `bringup inventory check` on its host lists why",
}


class Refusal(errors.BringupError):
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
    """401: the caller is not authenticated."""
    return Refusal(HTTPStatus.UNAUTHORIZED, "unauthorized", detail)


def forbidden(detail: str) -> Refusal:
    """403: the caller is authenticated, and its role does not allow this."""
    return Refusal(HTTPStatus.FORBIDDEN, "forbidden", detail)


def unknown_run(run_id: str) -> Refusal:
    """404, with one text whether the run does not exist or is another's: a guessed id must show nothing."""
    return Refusal(HTTPStatus.NOT_FOUND, "unknown_run", f"there is no run {run_id!r}")


def unknown_report(run_id: str) -> Refusal:
    """404 for a report that has not come."""
    return Refusal(HTTPStatus.NOT_FOUND, "unknown_report", f"the run {run_id!r} has no report")


def unknown_operator() -> Refusal:
    """404: the caller's token is of no person and no console."""
    return Refusal(HTTPStatus.NOT_FOUND, "unknown_operator", "this is the token of a service, not of a named person")


def unknown_artifact(detail: str) -> Refusal:
    """404 for an artifact of a run."""
    return Refusal(HTTPStatus.NOT_FOUND, "unknown_artifact", detail)


def unknown_image() -> Refusal:
    """404 for the image of a run: the secret in the address is unknown."""
    return Refusal(HTTPStatus.NOT_FOUND, "unknown_image", "there is no such image")


def image_replaced() -> Refusal:
    """410: the image was built again since; a machine must not boot from parts of two builds."""
    return Refusal(
        HTTPStatus.GONE, "image_replaced", "the image was built again since this run began; start another run"
    )


def another_image() -> Refusal:
    """412: If-Match names another content."""
    return Refusal(HTTPStatus.PRECONDITION_FAILED, "another_image", "the image is not the one that If-Match names")


def no_such_bytes(size: int) -> HTTPException:
    """416. ``size`` of the whole file, in bytes."""
    return RequestedRangeNotSatisfiable(size, description=f"the file has {size} bytes")


def misconfigured(detail: str) -> Refusal:
    """500: a setting or a file of the API is wrong."""
    return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "misconfigured", detail)


def unknown_job(job_id: str) -> Refusal:
    """404 for a job in quarantine."""
    return Refusal(HTTPStatus.NOT_FOUND, "unknown_job", f"no job {job_id!r} is in quarantine")


def unknown_device(name: str) -> Refusal:
    """404 for a device."""
    return Refusal(HTTPStatus.NOT_FOUND, "unknown_device", f"there is no device {name!r}")


def unknown_enrollment(enrollment_id: str) -> Refusal:
    """404 for a request for renewal: unknown, decided, or replaced."""
    return Refusal(HTTPStatus.NOT_FOUND, "unknown_enrollment", f"no request {enrollment_id[:64]!r} waits for the CA")


def unknown_crl() -> Refusal:
    """404: the CA's host has published no revocation list."""
    return Refusal(HTTPStatus.NOT_FOUND, "unknown_crl", "nothing is published yet; run `bringup site sign` at the CA")


def stale(detail: str) -> Refusal:
    """409: the event does not apply in the present state of the run."""
    return Refusal(HTTPStatus.CONFLICT, "stale", detail)


def power_refused(detail: str) -> Refusal:
    """409: the power of this machine must not be switched."""
    return Refusal(HTTPStatus.CONFLICT, "power_refused", detail)


def conflict(detail: str) -> Refusal:
    """409 for any other conflict."""
    return Refusal(HTTPStatus.CONFLICT, "conflict", detail)


def finished(detail: str) -> Refusal:
    """410: the run has ended."""
    return Refusal(HTTPStatus.GONE, "finished", detail)


def too_large(limit: int) -> Refusal:
    """413. ``limit`` in bytes."""
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"the body must not exceed {limit} bytes")


def busy(detail: str) -> Refusal:
    """429: the same call may succeed later."""
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, "busy", detail, retry_after_s=RETRY_AFTER_S)


def no_boot_slot(detail: str) -> Refusal:
    """429: the run waits for a boot slot. A worker of an older version asks again, which is in vain but harmless."""
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, "no_boot_slot", detail, retry_after_s=RETRY_AFTER_S)


def invalid(detail: str, problems: Sequence[str] = ()) -> Refusal:
    """422: well-formed, but not what the schema asks for."""
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", detail, problems=problems)


def malformed(detail: str) -> Refusal:
    """400: not JSON at all."""
    return Refusal(HTTPStatus.BAD_REQUEST, "malformed", detail)


def unavailable(detail: str, retry_after_s: int = RETRY_AFTER_S) -> Refusal:
    """503: the API cannot work now; the caller keeps its data and tries again.

    Args:
        retry_after_s: seconds.
    """
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, retry_after_s=retry_after_s)


def register(app: Flask) -> None:
    """Let every error of ``app`` become a problem document."""
    app.register_error_handler(Refusal, _respond)
    for outage, detail in _OUTAGES.items():
        app.register_error_handler(outage, _of_an_outage(detail))
    for error, detail in _LOGGED.items():
        app.register_error_handler(error, _logged(detail))
    app.register_error_handler(HTTPException, _respond_http)
    app.register_error_handler(Exception, _respond_bug)


def _respond(refusal: Refusal) -> Response:
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
    def respond(error: Exception) -> Response:
        log.get("api").warning(what, why=str(error))
        return _respond(unavailable(f"{what}; see the log of the API"))

    return respond


def _of_an_outage(what: str) -> Callable[[Exception], Response]:
    def respond(_error: Exception) -> Response:
        return _respond(unavailable(f"{what}; see the log of the API", retry_after_s=_AFTER_AN_OUTAGE_S))

    return respond


def _respond_http(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    kind = status.name.lower()
    response = _respond(Refusal(status, kind, error.description or status.phrase))
    response.headers.extend((name, value) for name, value in error.get_headers() if name in _KEPT_HEADERS)
    return response


def _respond_bug(error: Exception) -> Response:
    log.get("api").exception("unhandled error", error=type(error).__name__)
    return _respond(Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "the API failed; its log has the reason"))
