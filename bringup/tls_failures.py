"""Why a TLS connection failed: one meaning, one cause and one hint for each failure, in the same words everywhere.

This file is here twice, byte for byte: as bringup/tls_failures.py for all services, commands and the self-test, and as
agent/tls_failures.py for the validation image, which has no other package than the agent. Standard library only.
"""

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

SILENCE = "no answer in time"
OUR_OWN_LIMIT = "this host's own OpenSSL does not speak this TLS version"
# One alert for two causes. Source: ssl_x509err2alert() in OpenSSL's ssl/statem/statem_lib.c.
EXPIRED = "the server reports that our certificate, or its own list of revoked certificates (CRL), has expired"
STALE_LIST = "the server's list of revoked certificates (CRL) has expired, so that it refuses every certificate"
_NO_TLS = "what answers there does not speak TLS (it speaks plain text)"
_MEANING = {
    "CERTIFICATE_REQUIRED": "the server asks for a client certificate and got none (certificate required)",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server asks for a client certificate and got none (certificate required)",
    "TLSV1_ALERT_UNKNOWN_CA": "the server does not trust the CA of our certificate (unknown CA)",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the server refuses our certificate (bad certificate)",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": EXPIRED,
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "the server reports that our certificate was revoked",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "the server reports that our certificate is for another purpose (EKU)",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the server refuses the handshake (no common cipher, or no client certificate)",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the server refuses this TLS version",
    "TLSV1_ALERT_DECRYPT_ERROR": "the signature of our certificate does not fit the CA that the server trusts",
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "UNEXPECTED_EOF_WHILE_READING": "the server closed the connection in the middle of TLS",
    "NO_PROTOCOLS_AVAILABLE": OUR_OWN_LIMIT,
}
# Errors below TLS, of which the first class that fits counts.
_WITHOUT_TLS = (
    (ConnectionRefusedError, "nothing listens there (connection refused)"),
    (TimeoutError, SILENCE),
    (ConnectionResetError | BrokenPipeError, "the server cut the connection (reset)"),
)
# A part of the meaning; the likely cause; what fixes it. {cert}, {ca} and {address} are settings of the connection.
_CAUSES = (
    ("not one of our PKI", "another tool made it with the key of our CA", "bringup pki verify on the CA's host"),
    (
        # In TLS 1.3 a client writes before it reads the server's alert, and so may never see it.
        "in the middle of TLS",
        "the server may refuse our certificate (got none, unknown CA, expired, revoked, another purpose)",
        "check {cert} with bringup pki verify, and the server's log",
    ),
    ("got none", "you sent no client certificate; set {cert}", "bringup config, then set {cert}"),
    ("unknown CA", "our certificate and the server come from different CAs", "check {cert}: bringup pki verify"),
    (
        "does not fit the CA",
        "our certificate and the server come from different CAs",
        "check {cert}: bringup pki verify",
    ),
    ("another purpose", "our certificate is for servers, not for clients", "set {cert} to a worker certificate"),
    ("was revoked", "the list of the CA names our certificate", "set {cert} to a new one: bringup pki issue --help"),
    ("refuses our", "our certificate is not as our PKI makes it", "check {cert}: bringup pki verify"),
    (STALE_LIST, "the copy of ca/ca-crl.pem that the API has was not renewed in time", "bringup pki crl"),
    ("expired", "a certificate is past its end, or a clock is wrong", "bringup pki renew; date"),
    ("not yet valid", "a certificate begins in the future, or a clock is wrong", "date; bringup pki show"),
    (
        "IP address mismatch",
        "the server's certificate does not name this address",
        "check {address}, or see bringup pki setup --help (SANs)",
    ),
    (
        "Hostname mismatch",
        "the server's certificate does not name this host",
        "check {address}, or see bringup pki setup --help (SANs)",
    ),
    ("it is of role", "another server of our CA answers there", "check {address}"),
    ("it is of no role", "the server's certificate was not made by bringup pki", "check {address}; bringup pki verify"),
    ("purpose", "the server's certificate is not for servers", "bringup pki verify on the server's host"),
    ("self-signed", "the server's CA is not the one in {ca}", "set {ca}, then bringup pki verify"),
    ("unable to get local issuer", "the server's CA is not the one in {ca}", "set {ca}, then bringup pki verify"),
    ("refused by us", "the server's certificate was not made by the CA in {ca}", "set {ca}, then bringup pki verify"),
    ("No such file", "a certificate file is missing", "bringup pki setup"),
)
_IDENTITY = re.compile(r"([a-z0-9-]+\.([a-z]+))\.bringup\.internal")


@dataclass(frozen=True)
class ConnectionSettings:
    """One kind of connection of ours: which settings say how it is made.

    Args:
        flag: switches TLS on.
        cert: names our certificate.
        ca: names the CA that we trust.
        address: where the server is.
    """

    flag: str
    cert: str
    ca: str
    address: str


def meaning_of(error: BaseException) -> str:
    """What an error of a connection means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is refused by us: {error.verify_message}"
    if isinstance(error, ssl.SSLEOFError):
        return _MEANING["UNEXPECTED_EOF_WHILE_READING"]
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or ""  # errors that Python raises itself have none
        return _MEANING.get(reason, f"TLS failed: {(reason or str(error)).replace('_', ' ').lower()}")
    for kind, text in _WITHOUT_TLS:
        if isinstance(error, kind):
            return text
    return str(error.strerror or error) if isinstance(error, OSError) else str(error)


def cause_and_hint(meaning: str, connection: ConnectionSettings) -> tuple[str, str]:
    """The likely cause of a connection that failed, empty if none is known, and what fixes it.

    Args:
        meaning: what `meaning_of` returned for the error.
        connection: whose settings to name.
    """
    for part, cause, hint in _CAUSES:
        if part in meaning:
            settings = {"cert": connection.cert, "ca": connection.ca, "address": connection.address}
            return cause.format(**settings), hint.format(**settings)
    return "", "bringup pki verify"


def failure_text(
    error: BaseException, connection: ConnectionSettings, *, uses_tls: bool, refine: Callable[[str], str] = str
) -> str:
    """Why a connection failed, and what to look at.

    Args:
        error: what the connection raised, innermost.
        connection: whose settings to name.
        uses_tls: whether the flag is on.
        refine: makes the meaning more exact.
    """
    meaning = meaning_of(error)
    if not uses_tls:
        closed = isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError)
        hint = f"; if it expects TLS, set {connection.flag}=true" if closed or "BadStatusLine" in repr(error) else ""
        return meaning + hint
    if meaning == _NO_TLS:
        return f"{meaning}; check {connection.address}, or set {connection.flag}=false"
    meaning = refine(meaning)
    cause, hint = cause_and_hint(meaning, connection)
    return f"{meaning}: {cause}; {hint}" if cause and isinstance(error, ssl.SSLError) else meaning


def identities_of(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """The identities in a verified certificate, such as ``alice.operator``.

    Args:
        certificate: as `ssl.SSLSocket.getpeercert` returns it.
    """
    names = (value for kind, value in (certificate or {}).get("subjectAltName", ()) if kind == "DNS")
    return frozenset(match[1] for name in names if (match := _IDENTITY.fullmatch(name)))


def roles_of(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """The roles in a verified certificate: ``NAME.ROLE.bringup.internal`` among its DNS names."""
    return frozenset(identity.rpartition(".")[2] for identity in identities_of(certificate))


def check_role(certificate: Mapping[str, Any] | None, wanted: str) -> None:
    """Every server of ours has a certificate of the same CA: accept the one that the client came for.

    Raises:
        ssl.SSLCertVerificationError: its role is not ``wanted``.
    """
    roles = roles_of(certificate)
    if roles != {wanted}:
        shown = f"role {', '.join(sorted(roles))}" if roles else "no role"
        raise refusal(f"it is of {shown}, and {wanted} is expected")


def refusal(message: str) -> ssl.SSLCertVerificationError:
    """The error of a certificate that OpenSSL accepts and we refuse."""
    error = ssl.SSLCertVerificationError(1, message)
    error.verify_code, error.verify_message, error.reason = 0, message, "CERTIFICATE_VERIFY_FAILED"
    return error
