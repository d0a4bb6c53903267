"""What the self-test says of a connection that failed: the likely cause, and the command that fixes it."""

from bringup.openssl_errors import OUR_OWN_LIMIT, SILENCE, STALE_LIST, explained

__all__ = ["OUR_OWN_LIMIT", "SILENCE", "cause_and_mend", "explained", "unusable"]


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
        (STALE_LIST, "the copy of ca/ca-crl.pem that the API has was not renewed in time", "bringup pki crl"),
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
