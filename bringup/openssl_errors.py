"""What a failure of our own connections means, where the certificate that we present is at hand."""

import ssl
from datetime import datetime
from functools import partial
from importlib import import_module
from pathlib import Path

from bringup import model, tls_failures
from bringup.tls_failures import EXPIRED, STALE_LIST, ConnectionSettings, meaning_of

TO_REDIS = ConnectionSettings("REDIS_USE_TLS", "REDIS_TLS_CERT", "REDIS_TLS_CA", "REDIS_HOST and REDIS_PORT")
TO_SENTINEL = ConnectionSettings("REDIS_USE_TLS", "REDIS_TLS_CERT", "REDIS_TLS_CA", "REDIS_SENTINELS")
TO_API = ConnectionSettings("API_USE_TLS", "API_CLIENT_CERT", "API_TLS_CA", "CALLBACK_API_URL")


def failure_text(error: BaseException, connection: ConnectionSettings, certificate: Path, *, uses_tls: bool) -> str:
    """Why a connection failed, in the words that every service, command and the self-test use, and what to look at.

    Args:
        error: what the connection raised, innermost.
        connection: whose settings to name.
        certificate: what we present.
        uses_tls: whether the flag is on.
    """
    refine = partial(which_expired, certificate=certificate)
    return tls_failures.failure_text(error, connection, uses_tls=uses_tls, refine=refine)


def which_expired(meaning: str, certificate: Path) -> str:
    """``meaning``; where it is `EXPIRED`, which of the two it is.

    Args:
        meaning: as `meaning_of` returns it.
        certificate: what we presented.
    """
    if meaning != EXPIRED:
        return meaning
    try:
        # Imported here: few connections fail for this.
        end: datetime = import_module("bringup.certificates").end_of_pem(certificate.read_bytes())
    except (OSError, ValueError):
        return meaning
    if model.utc_now() < end:
        return f"{STALE_LIST}: run `bringup pki renew` on the CA's host, then carry ca/ca-crl.pem to the API's host"
    return f"our certificate {certificate} has expired ({end:%Y-%m-%d %H:%M} UTC): run `bringup pki renew`"


def unusable(error: Exception) -> str:
    """The text for an error of our own files, before a server was asked."""
    file = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
    return f"a certificate file or folder is unusable: {file}{meaning_of(error)}"


def is_tls(error: BaseException) -> bool:
    """Whether an error is one of OpenSSL's."""
    return isinstance(error, ssl.SSLError)
