"""Renewal by EST, for any client of the standard: ``/.well-known/est``.

The request is kept here and signed on the CA's host, which opens no port: 202 until then.

Source: RFC 7030, RFC 8951 (base64 bodies).
"""

from http import HTTPStatus

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Blueprint, Response

from api import peer_certificate
from api.auth import Auth, requires
from api.est.requests import certs_only, identity_for, identity_in, read_request
from api.est.trust import read_anchors
from api.http import body, problems
from api.services import services
from api.state.enrollments import EnrollmentRecord, TooManyRequests, enrollment_id
from bringup import log

bp = Blueprint("est", __name__)
# Bytes. A request of an RSA key of 8192 bits with many names is below 8 KiB in base64.
_LARGEST_REQUEST = 16 * body.KIB
# Seconds: a timer on the CA's host decides, which runs every minute.
_RETRY_AFTER_S = 30


@bp.get("/cacerts")
@requires(Auth.ANYONE)
def cacerts() -> Response:
    """The CAs that are trusted, and during a rollover their certificates of each other. RFC 7030 s.4.1."""
    trust = services().trust.published()
    if trust:
        found = read_anchors((trust.anchors + trust.vouchers).encode())
    else:
        found = read_anchors(services().settings.path_of("api_tls_ca").read_bytes())
    return _pkcs7(certs_only(*found))


@bp.post("/simplereenroll")
@requires(Auth.CERTIFICATE)
def simplereenroll() -> Response:
    """A certificate of the same identity for the key of the request; 202 until it is signed. RFC 7030 s.4.2.2."""
    presented = peer_certificate.verified()
    raw = body.read_bytes(_LARGEST_REQUEST, "application/pkcs10")
    if presented is None:
        raise problems.unauthorized("present the certificate that is to be renewed")
    request = read_request(raw)
    identity = identity_for(request, presented)
    record = _asked(request, presented, identity)
    if record.reason:
        raise problems.forbidden(f"the CA does not renew {identity}: {record.reason}")
    if record.certificate:
        return _pkcs7(certs_only(x509.load_pem_x509_certificate(record.certificate.encode())))
    return Response(status=HTTPStatus.ACCEPTED, headers={"Retry-After": str(_RETRY_AFTER_S)})


def _asked(request: x509.CertificateSigningRequest, presented: x509.Certificate, identity: str) -> EnrollmentRecord:
    presenter = identity_in(presented) or ""
    asked = EnrollmentRecord(
        id=enrollment_id(presenter, identity, request.tbs_certrequest_bytes),
        presenter_serial=f"{presented.serial_number:X}",
        request=request.public_bytes(Encoding.PEM).decode(),
        received_at=services().database.now(),
    )
    try:
        kept = services().enrollments.ask(presenter, identity, asked)
    except TooManyRequests:
        raise problems.busy("too many requests wait for the CA; is its timer running? `bringup site sign`") from None
    if kept is asked:
        log.get("api").info("a request for renewal waits for the CA", identity=identity, presenter=presenter)
    return kept


def _pkcs7(content: bytes) -> Response:
    response = Response(content, content_type="application/pkcs7-mime; smime-type=certs-only")
    # RFC 8951 s.3.1 makes it meaningless; clients of RFC 7030 look for it.
    response.headers["Content-Transfer-Encoding"] = "base64"
    return response
