"""What an error of OpenSSL means, its likely cause, and the command that fixes it."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from bringup.model import utc_now

SILENCE = "no answer in time"
OUR_OWN_LIMIT = "this host's own OpenSSL does not speak this TLS version"
# One alert for two causes; `which_expired` distinguishes them.
# Source: ssl_x509err2alert() in OpenSSL's ssl/statem/statem_lib.c.
EXPIRED = "the server says that our certificate, or its own list of revoked certificates (CRL), has expired"
STALE_LIST = "the server's list of revoked certificates (CRL) has expired, so that it refuses every certificate"
_MEANING = {
    "CERTIFICATE_REQUIRED": "the server asks for a client certificate and got none (certificate required)",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server asks for a client certificate and got none (certificate required)",
    "TLSV1_ALERT_UNKNOWN_CA": "the server does not trust the CA of our certificate (unknown CA)",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the server refuses our certificate (bad certificate)",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": EXPIRED,
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "the server says that our certificate was revoked",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "the server says that our certificate is for another purpose (EKU)",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the server refuses the handshake (no common cipher, or no client certificate)",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the server refuses this TLS version",
    "TLSV1_ALERT_DECRYPT_ERROR": "the signature of our certificate does not fit the CA that the server trusts",
    "WRONG_VERSION_NUMBER": "what answers there does not speak TLS (it speaks plain text)",
    "UNEXPECTED_EOF_WHILE_READING": "the server closed the connection in the middle of TLS",
    "NO_PROTOCOLS_AVAILABLE": OUR_OWN_LIMIT,
}

# Errors below TLS, of which the first class that fits counts.
_WITHOUT_TLS = (
    (ConnectionRefusedError, "nothing listens there (connection refused)"),
    (TimeoutError, SILENCE),
    (ConnectionResetError | BrokenPipeError, "the server cut the connection (reset)"),
)


def explained(error: BaseException, certificate: Path | None = None) -> str:
    """What an error of a connection means.

    Args:
        certificate: what we presented.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is refused by us: {error.verify_message}"
    if isinstance(error, ssl.SSLEOFError):
        return _MEANING["UNEXPECTED_EOF_WHILE_READING"]
    if isinstance(error, ssl.SSLError):
        meaning = _MEANING.get(
            error.reason or "", f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}"
        )
        return which_expired(meaning, certificate) if certificate else meaning
    for kind, text in _WITHOUT_TLS:
        if isinstance(error, kind):
            return text
    return str(error.strerror or error) if isinstance(error, OSError) else str(error)


def which_expired(meaning: str, certificate: Path) -> str:
    """``meaning``; where it is `EXPIRED`, which of the two it is."""
    if meaning != EXPIRED:
        return meaning
    try:
        end = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return meaning
    if utc_now() < end:
        return f"{STALE_LIST}: run `bringup pki renew` on the CA's host, then carry ca/ca-crl.pem to the API's host"
    return f"our certificate {certificate} has expired ({end:%Y-%m-%d %H:%M} UTC): run `bringup pki renew`"


# A part of the text of `explained`; the likely cause; the command that fixes it. {cert} and {ca} are settings.
_CAUSES = (
    (
        # In TLS 1.3 a client writes before it reads the server's alert, and so may never see it.
        "in the middle of TLS",
        "the server may refuse our certificate (unknown CA, expired, revoked, another purpose)",
        "check {cert} with bringup pki verify, and the server's log",
    ),
    ("got none", "you sent no client certificate; set {cert}", "bringup config, then set {cert}"),
    ("unknown CA", "our certificate and the server come from different CAs", "bringup pki verify"),
    ("another purpose", "our certificate is for servers, not for clients", "set {cert} to a worker certificate"),
    (STALE_LIST, "the copy of ca/ca-crl.pem that the API has was not renewed in time", "bringup pki crl"),
    ("expired", "a certificate is past its end, or a clock is wrong", "bringup pki renew; date"),
    ("not yet valid", "a certificate begins in the future, or a clock is wrong", "date; bringup pki show"),
    ("IP address mismatch", "the server's certificate does not name this address", "bringup pki setup --help (SANs)"),
    ("Hostname mismatch", "the server's certificate does not name this host", "bringup pki setup --help (SANs)"),
    ("self-signed", "the server's CA is not the one in {ca}", "set {ca}, then bringup pki verify"),
    ("unable to get local issuer", "the server's CA is not the one in {ca}", "set {ca}, then bringup pki verify"),
    ("refused by us", "the server's certificate was not made by the CA in {ca}", "bringup pki verify"),
    ("No such file", "a certificate file is missing", "bringup pki setup"),
)


def cause_and_hint(text: str, *, cert: str, ca: str) -> tuple[str, str]:
    """The likely cause of a connection that failed, empty if none is known, and the command that fixes it.

    Args:
        text: what `explained` returned for the error.
        cert: the setting that names our certificate for this connection.
        ca: the setting that names our CA for it.
    """
    for part, cause, hint in _CAUSES:
        if part in text:
            return cause.format(cert=cert, ca=ca), hint.format(cert=cert, ca=ca)
    return "", "bringup pki verify"


@dataclass(frozen=True)
class Connection:
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


TO_REDIS = Connection("REDIS_USE_TLS", "REDIS_TLS_CERT", "REDIS_TLS_CA", "REDIS_HOST and REDIS_PORT")
TO_API = Connection("API_USE_TLS", "API_CLIENT_CERT", "API_TLS_CA", "CALLBACK_API_URL")


def failure_text(error: BaseException, kind: Connection, certificate: Path, *, uses_tls: bool) -> str:
    """Why a connection failed, in the words that every service, command and the self-test use, and what to look at.

    Args:
        error: what the connection raised, innermost.
        kind: whose settings to name.
        certificate: what we present.
        uses_tls: whether the flag is on.
    """
    if not uses_tls:
        closed = isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError)
        hint = f"; if it expects TLS, set {kind.flag}=true" if closed or "BadStatusLine" in repr(error) else ""
        return explained(error) + hint
    meaning = explained(error, certificate)
    cause, hint = cause_and_hint(meaning, cert=kind.cert, ca=kind.ca)
    if "does not speak TLS" in meaning:
        return f"{meaning}; check {kind.address}, or set {kind.flag}=false"
    return f"{meaning}: {cause}; {hint}" if cause and is_tls(error) else meaning


def unusable(error: Exception) -> str:
    """The text for an error of our own files, before a server was asked."""
    file = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
    return f"a certificate file or folder is unusable: {file}{explained(error)}"


def is_tls(error: BaseException) -> bool:
    """Whether an error is one of OpenSSL's."""
    return isinstance(error, ssl.SSLError)
