"""The certificate that a client has presented, as TLS has verified it."""

from cryptography import x509
from flask import request

from api.http.problems import malformed
from api.services import services
from bringup import certificates, tls_failures

# In the environment of a request: what its client has presented. Headers are under names that begin with HTTP.
_PRESENTED = "bringup.presented"


def verified() -> x509.Certificate | None:
    """The client's certificate as TLS has verified it; None: it has presented none."""
    encoded = presented()
    return x509.load_der_x509_certificate(encoded) if encoded else None


def presented() -> bytes | None:
    """Encoded as DER; None: none was presented. Each request asks its connection once."""
    if _PRESENTED not in request.environ:
        request.environ[_PRESENTED] = _of_connection() if services().settings.api_use_tls else None
    encoded: bytes | None = request.environ[_PRESENTED]
    return encoded


def _of_connection() -> bytes | None:
    try:
        encoded: bytes | None = request.environ["gunicorn.socket"].getpeercert(binary_form=True)
    except ValueError:  # after an error OpenSSL knows nothing of the handshake any more
        raise malformed("the connection broke before the request was answered") from None
    return encoded


def identities() -> frozenset[str]:
    """Those in it, such as ``alice.operator``; none without a certificate."""
    return tls_failures.identities_of({"subjectAltName": [("DNS", name) for name in dns_names()]})


def roles() -> frozenset[str]:
    """The roles of these identities."""
    return frozenset(one.rpartition(".")[2] for one in identities())


def identity() -> str | None:
    """The identity in the client certificate, if one was shown."""
    return next(iter(identities()), None)


def dns_names() -> tuple[str, ...]:
    """Its alternative names of type DNS; none without a certificate."""
    encoded = presented()
    return certificates.dns_names_of(encoded) if encoded else ()
