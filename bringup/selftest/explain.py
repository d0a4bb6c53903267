"""OpenSSL's riddles, in words that say what to do."""

import ssl

SILENCE = "no answer in time"
OUR_OWN_LIMIT = "this host's own OpenSSL does not speak this TLS version"
_RIDDLES = {
    "CERTIFICATE_REQUIRED": "the server asks for a client certificate and got none (certificate required)",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server asks for a client certificate and got none (certificate required)",
    "TLSV1_ALERT_UNKNOWN_CA": "the server does not trust the CA of our certificate (unknown CA)",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the server refuses our certificate (bad certificate)",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the server says that our certificate has expired, or is not valid yet",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "the server says that our certificate was revoked",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "the server says that our certificate is for another purpose (EKU)",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the server refuses the handshake (no common cipher, or no client certificate)",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the server refuses this TLS version",
    "TLSV1_ALERT_DECRYPT_ERROR": "the signature of our certificate does not fit the CA that the server trusts",
    "WRONG_VERSION_NUMBER": "what answers there does not speak TLS (it speaks plain text)",
    "UNEXPECTED_EOF_WHILE_READING": "the server closed the connection in the middle of TLS",
    "NO_PROTOCOLS_AVAILABLE": OUR_OWN_LIMIT,
}


def explained(error: Exception) -> str:
    """What an error of a connection means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is refused by us: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return _RIDDLES.get(error.reason or "", f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}")
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there (connection refused)"
    if isinstance(error, TimeoutError):
        return SILENCE
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "the server cut the connection (reset)"
    return str(error.strerror or error) if isinstance(error, OSError) else str(error)


def unusable(error: Exception) -> str:
    """Something of our own, before anybody was asked."""
    which = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
    return f"a certificate file or folder is unusable: {which}{explained(error)}"


def cause_and_mend(said: str, *, cert: str, ca: str) -> tuple[str, str]:
    """The likely cause of a refusal that should not have been, and the command that mends it.

    Args:
        cert, ca: the variables that name our certificate and our CA for this connection.
    """
    for sign, cause, mend in (
        ("got none", f"you sent no client certificate; set {cert}", f"bringup config, then set {cert}"),
        ("unknown CA", "our certificate and the server come from different CAs", "bringup pki verify"),
        ("another purpose", "our certificate is for servers, not for clients", f"set {cert} to a worker certificate"),
        ("expired", "a certificate is past its end, or a clock is wrong", "bringup pki renew; date"),
        ("not yet valid", "a certificate begins in the future, or a clock is wrong", "date; bringup pki show"),
        (
            "IP address mismatch",
            "the server's certificate does not name this address",
            "bringup pki setup --help (SANs)",
        ),
        ("Hostname mismatch", "the server's certificate does not name this host", "bringup pki setup --help (SANs)"),
        ("self-signed", f"the server's CA is not the one in {ca}", f"set {ca}, then bringup pki verify"),
        ("unable to get local issuer", f"the server's CA is not the one in {ca}", f"set {ca}, then bringup pki verify"),
        ("refused by us", f"the server's certificate was not made by the CA in {ca}", "bringup pki verify"),
        ("No such file", "a certificate file is missing", "bringup pki setup"),
    ):
        if sign in said:
            return cause, mend
    return "", "bringup pki verify"
