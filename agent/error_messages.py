"""Why the API could not be reached, or refused a call: each cause as one plain line for the console."""

import http.client
import socket
import ssl
from datetime import UTC, datetime
from enum import Enum

from agent.api import Response

# X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED. Source: OpenSSL x509_vfy.h
_CLOCK_ERRORS = (9, 10)
# The first class that fits counts, so special ones come first: most of these are OSErrors too.
_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (socket.gaierror, "the name of the API at {address} does not resolve ({reason}): look at DNS and at CALLBACK_URL"),
    (http.client.HTTPException, "{address} does not speak HTTP ({reason}): it may expect TLS, or is another server"),
    (ConnectionRefusedError, "{address} refuses the connection: the API does not run there, or a firewall blocks it"),
    (TimeoutError, "{address} does not answer: a firewall, or a missing route"),
    (ssl.SSLError, "no TLS with {address} ({reason}): it speaks no TLS, or asks for a certificate that we have not"),
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


def describe_error(error: Exception, address: str, now: float) -> str:
    """Why a call failed.

    Args:
        error: what the call raised.
        address: HOST:PORT of the API.
        now: this machine's time, seconds since 1970.
    """
    failure = tls_failure(error)
    if failure is TlsFailureReason.CLOCK:
        return (
            f"the API's certificate is not valid at this machine's time {_utc(now)}: the clock is wrong,"
            " or the certificate has expired"
        )
    if failure is TlsFailureReason.TRUST:
        return (
            f"the server at {address} does not show a certificate of our CA ({_verify_message(error)}):"
            " wrong CA in the image, or another server"
        )
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
    for kind, text in _CAUSES:
        if isinstance(error, kind):
            return text.format(address=address, reason=reason)
    return f"the call to {address} failed ({type(error).__name__}: {error})"


def describe_refusal(response: Response, address: str) -> str:
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


def _verify_message(error: Exception) -> str:
    return str(getattr(error, "verify_message", "")) or type(error).__name__


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
