"""Why the API could not be reached, or refused a call: each cause as one plain line for the console."""

import http.client
import socket
import ssl
from datetime import UTC, datetime
from enum import Enum

from agent import api, tls_failures

# X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED. Source: OpenSSL x509_vfy.h
_CLOCK_ERRORS = (9, 10)
# Settings on the API's host, which makes the parameters of the image of them.
_TO_API = tls_failures.ConnectionSettings("API_USE_TLS", "RUN_CERTIFICATE_COMMAND", "API_TLS_CA", "CALLBACK_API_URL")
# The first class that fits counts, so special ones come first: most of these are OSErrors too.
_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (socket.gaierror, "the name of the API at {address} does not resolve ({reason}): look at DNS and at CALLBACK_URL"),
    (
        ConnectionRefusedError,
        "{address} refuses the connection (connection refused): the API does not run there, or a firewall blocks it",
    ),
    (TimeoutError, "{address} does not answer: a firewall, or a missing route"),
    (OSError, "{address} cannot be reached ({reason})"),
)
# Characters of the API's own explanation that are shown.
_MAX_DETAIL = 300


class TlsFailureReason(Enum):
    """Why the API's certificate was refused; the values are failure reasons of the run."""

    TRUST = "tls_trust"
    CLOCK = "tls_clock"


def tls_failure(error: Exception) -> TlsFailureReason | None:
    """Why the certificate was refused; None where the error is another one."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return None
    return TlsFailureReason.CLOCK if error.verify_code in _CLOCK_ERRORS else TlsFailureReason.TRUST


def describe_error(error: Exception, address: str, now: float, *, uses_tls: bool) -> str:
    """Why a call failed.

    Args:
        error: what the call raised.
        address: HOST:PORT of the API.
        now: this machine's time, seconds since 1970.
        uses_tls: whether the image speaks TLS to the API.
    """
    if isinstance(error, ssl.SSLError):
        at = f" (this machine's time is {_utc(now)})" if tls_failure(error) is TlsFailureReason.CLOCK else ""
        return f"no TLS with {address}: {tls_failures.failure_text(error, _TO_API, uses_tls=True)}{at}"
    if isinstance(error, http.client.HTTPException | ConnectionResetError | BrokenPipeError):
        return f"{address} does not speak HTTP: {tls_failures.failure_text(error, _TO_API, uses_tls=uses_tls)}"
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
    for kind, text in _CAUSES:
        if isinstance(error, kind):
            return text.format(address=address, reason=reason)
    return f"the call to {address} failed ({type(error).__name__}: {error})"


def describe_refusal(response: api.Response, address: str) -> str:
    """What a response other than success means; ``address`` is HOST:PORT."""
    text = str(response.body.get("detail", ""))[:_MAX_DETAIL]
    detail = f" ({text})" if text else ""
    match response.status:
        case 401:
            return (
                f"the API at {address} refuses this run's token{detail}: this image is of another run or installation"
            )
        case 404 | 410:
            return f"the API at {address} reports that this run is over, or unknown{detail}"
        case 409:
            return f"the API at {address} has another report of this run{detail}"
        case 413 | 422:
            return f"the API at {address} does not accept this report{detail}: agent and API have different versions"
        case status if status >= 500:
            return f"the API at {address} has an internal problem ({status}){detail}"
        case status:
            return f"the server at {address} answers {status}{detail}: is it the API?"


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
