"""Why the API could not be reached, each in one plain line."""

import http.client
import socket
import ssl
from datetime import UTC, datetime
from enum import Enum

from agent.api import Answer

# X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED. Source: OpenSSL x509_vfy.h
_CLOCK = (9, 10)
# The first kind that fits: most of these are OSErrors too.
_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (socket.gaierror, "the name of the API at {place} does not resolve ({said}): look at DNS and at CALLBACK_URL"),
    (http.client.HTTPException, "{place} does not speak HTTP ({said}): it may expect TLS, or is another server"),
    (ConnectionRefusedError, "{place} refuses the connection: the API does not run there, or a firewall is in the way"),
    (TimeoutError, "{place} does not answer: a firewall, or a missing route"),
    (ssl.SSLError, "no TLS with {place} ({said}): it speaks no TLS, or asks for a certificate that we have not"),
    (OSError, "{place} cannot be reached ({said})"),
)


class Distrust(Enum):
    """Why the API's certificate was refused, in the words of the wire."""

    TRUST = "tls_trust"
    CLOCK = "tls_clock"


def distrust(error: Exception) -> Distrust | None:
    """Which kind of distrust an error is; None for any other trouble."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return None
    return Distrust.CLOCK if error.verify_code in _CLOCK else Distrust.TRUST


def in_words(error: Exception, place: str, now: float) -> str:
    """What went wrong on the way to ``place`` (HOST:PORT).

    Args:
        now: this machine's time, seconds since 1970.
    """
    kind = distrust(error)
    if kind is Distrust.CLOCK:
        return (
            f"the API's certificate is not valid at this machine's time {_utc(now)}: the clock is wrong,"
            " or the certificate has expired"
        )
    if kind is Distrust.TRUST:
        return (
            f"the server at {place} does not show a certificate of our CA ({_reason(error)}):"
            " wrong CA in the image, or another server"
        )
    return _unreached(error, place)


def _unreached(error: Exception, place: str) -> str:
    said = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
    for kind, words in _CAUSES:
        if isinstance(error, kind):
            return words.format(place=place, said=said)
    return f"the call to {place} failed ({type(error).__name__}: {error})"


def refused(answer: Answer, place: str) -> str:
    """What an answer that is none of success means."""
    detail = str(answer.body.get("detail", ""))[:300]
    said = f" ({detail})" if detail else ""
    match answer.status:
        case 401:
            return f"the API at {place} refuses this run's token{said}: this image is of another run or installation"
        case 404 | 410:
            return f"the API at {place} says that this run is over, or never was{said}"
        case 409:
            return f"the API at {place} has another report of this run{said}"
        case 413 | 422:
            return f"the API at {place} does not take this report{said}: agent and API are of different versions"
        case status if status >= 500:
            return f"the API at {place} has trouble of its own ({status}){said}"
        case status:
            return f"the server at {place} answers {status}{said}: is it the API?"


def _reason(error: Exception) -> str:
    return str(getattr(error, "verify_message", "")) or type(error).__name__


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
