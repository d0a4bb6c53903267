"""Connections to the callback API: HTTP or HTTPS with a client certificate, as ``API_USE_TLS`` says."""

import http.client
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from bringup import backoff, errors, openssl_errors, tls
from bringup.connections import http_reply
from bringup.connections.api_addresses import ApiAddresses
from bringup.connections.http_pool import HttpPool
from bringup.settings import Settings
from bringup.wire.message import Readiness, read_reply

_Reply = TypeVar("_Reply", bound=BaseModel)
_NOT_READY = 503  # with the same document as 200, and so no error here
_ACCEPTED = 202
_LONGEST_RETRY_AFTER_S = 600.0  # our API asks for seconds; a proxy that asks for a day must not stop us for a day
_TOO_MANY = 429  # the one refusal that means "later"; RFC 6585 s.4
# But not to the one who asks: the API enqueues the boot job again when the run has a slot.
_NO_BOOT_SLOT = "no_boot_slot"
# Connections that a client keeps unless it is asked for more: as many as a command or the follower of the feed needs.
_THREADS = 10


class ApiClient:
    """Calls the API of ``settings``; every call is safe to repeat, and is repeated at the next address of the API.

    Args:
        contexts: shared by the connections of one process, so that files are read once.
        token: instead of API_TOKEN.
        console: the token of the console at which the person of ``token`` is signed in.
        threads: that call at once. Each keeps its connection; with fewer, one more would be made and closed a call.

    Raises, from every call:
        ApiUnavailable: no answer, the API asks to come back later, or what answers is not our API.
        ApiRejected: the API refuses; repeating cannot help.
    """

    def __init__(
        self,
        settings: Settings,
        contexts: tls.ClientContexts,
        *,
        token: str | None = None,
        console: str = "",
        threads: int = _THREADS,
    ) -> None:
        own = settings.api_token
        bearer = token or (own.get_secret_value() if own else "")
        self._addresses = ApiAddresses(settings.api_urls)
        self._certificate = settings.path_of("api_client_cert")
        self._headers = {
            "Authorization": f"Bearer {bearer}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": "bringup",
        }
        if console:
            self._headers["Bringup-Console"] = console
        self._pools = {
            base: HttpPool(
                base,
                context_now=partial(tls.for_api_client, settings, contexts) if settings.api_use_tls else None,
                connect_s=settings.redis_timeout_s,
                answer_s=settings.api_timeout_s,
                most_idle=threads,
            )
            for base in settings.api_urls
        }

    def get(self, path: str, reply: type[_Reply]) -> _Reply:
        """``GET /api/v1{path}``."""
        return self._call("GET", path, None, reply)

    def put(self, path: str, body: BaseModel, reply: type[_Reply]) -> _Reply:
        """``PUT /api/v1{path}``, as `post`."""
        return self._call("PUT", path, body, reply)

    def post(self, path: str, body: BaseModel, reply: type[_Reply]) -> _Reply:
        """``POST /api/v1{path}``.

        Args:
            path: below ``/api/v1``, with a slash at its start.
            body: sent as JSON, without the fields that were not set.
            reply: what the answer is read as.
        """
        return self._call("POST", path, body, reply)

    def patch(self, path: str, body: BaseModel, reply: type[_Reply]) -> _Reply:
        """``PATCH /api/v1{path}``, as `post`."""
        return self._call("PATCH", path, body, reply)

    def get_text(self, path: str) -> bytes:
        """``GET /api/v1{path}`` where the answer is plain text: its bytes, which may be any. Raises as every call."""

        def ask(base: str) -> bytes:
            response = self._send(base, "GET", path, None)
            if not response.headers.get("Content-Type", "").startswith("text/plain"):
                raise _foreign(base)
            return response.content

        return self._addresses.call(ask)

    def readiness(self) -> Readiness:
        """``GET /api/v1/ready``, whether or not it is ready. Raises as every call."""
        return self._call("GET", "/ready", None, Readiness, also=_NOT_READY)

    def est(self, path: str, request: bytes | None = None) -> bytes | None:
        """``/.well-known/est{path}`` by RFC 7030: the body of the response; None: 202, ask again later.

        Args:
            path: with a slash at its start.
            request: PKCS #10 in base64; None: a GET.
        """
        method, media_type = ("GET", "") if request is None else ("POST", "application/pkcs10")

        def ask(base: str) -> http_reply.HttpReply:
            return self._exchange(base, method, f"/.well-known/est{path}", request, media_type)

        response = self._addresses.call(ask)
        return None if response.status_code == _ACCEPTED else response.content

    def _call(self, method: str, path: str, body: BaseModel | None, reply: type[_Reply], *, also: int = 0) -> _Reply:
        def ask(base: str) -> _Reply:
            try:
                return read_reply(reply, self._send(base, method, path, body, also=also).content)
            except ValidationError:
                raise _foreign(base) from None

        return self._addresses.call(ask)

    def _send(
        self, base: str, method: str, path: str, body: BaseModel | None, *, also: int = 0
    ) -> http_reply.HttpReply:
        """The response with a status of success, or ``also``."""
        data = None if body is None else body.model_dump_json(exclude_unset=True).encode()
        return self._exchange(base, method, f"/api/v1{path}", data, "application/json", also=also)

    def _exchange(
        self, base: str, method: str, path: str, data: bytes | None, media_type: str, *, also: int = 0
    ) -> http_reply.HttpReply:
        headers = self._headers | ({"Content-Type": media_type} if data else {})
        try:
            response = self._pools[base].exchange(method, path, data, headers)
        except http_reply.ReplyTooLargeError as error:
            raise _foreign(base, f" ({error})") from error
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(error, base, self._certificate) from error
        if not 200 <= response.status_code < 300 and response.status_code != also:
            raise _refusal(response, base)
        return response


def _refusal(response: http_reply.HttpReply, base: str) -> errors.ApiUnavailable | errors.ApiRejected:
    problem = response.problem()
    detail = str(problem.get("detail") or problem.get("title") or response.reason)
    listed = problem.get("problems")
    if isinstance(listed, list) and listed:
        detail += ": " + "; ".join(map(str, listed))
    message = f"the API at {base} answered {response.status_code}: {detail}"
    prefix, _, kind = str(problem.get("type", "")).rpartition(":")
    is_later = response.status_code == _TOO_MANY and kind != _NO_BOOT_SLOT
    if response.status_code >= 500 or is_later:
        retry_in_s = backoff.retry_after_s(response.headers.get("Retry-After"), _LONGEST_RETRY_AFTER_S)
        return errors.ApiUnavailable(message, retry_in_s=retry_in_s)
    # A proxy's 404 is no refusal of ours: taken for one, it would end a job that must wait.
    return errors.ApiRejected(message, kind=kind) if prefix == "urn:bringup" else _foreign(base)


def _foreign(base: str, why: str = "") -> errors.ApiUnavailable:
    return errors.ApiUnavailable(f"what answers at {base} is not the bringup API{why}; check CALLBACK_API_URL")


def _unreachable(error: Exception, base: str, certificate: Path) -> errors.ApiUnavailable:
    if openssl_errors.is_tls(error):
        why = openssl_errors.failure_text(error, openssl_errors.TO_API, certificate, uses_tls=True)
        return errors.ApiUnavailable(f"no TLS connection to the API at {base}: {why}")
    if isinstance(error, ConnectionResetError | BrokenPipeError | http.client.HTTPException):
        why = openssl_errors.failure_text(error, openssl_errors.TO_API, certificate, uses_tls=base.startswith("https:"))
        return errors.ApiUnavailable(f"the API at {base} does not answer: {why}")
    return errors.ApiUnavailable(
        f"the API at {base} does not answer ({errors.reason_of(error)}); is `bringup api` running there? "
        "CALLBACK_API_URL names its address"
    )
