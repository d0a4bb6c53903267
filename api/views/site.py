"""The hosts of a site: what that of the CA fetches and posts, what they report, and how their services are."""

from http import HTTPStatus

from cryptography import x509
from flask import Blueprint, Response, request

from api import peer_certificate
from api.auth import Auth, requires
from api.est.requests import identity_in
from api.est.trust import is_newer, problem_of, read_lists
from api.http import body, openapi, problems
from api.principal import current_principal
from api.services import Services, services
from api.state.selftests import TooManyHosts
from bringup import __version__, log
from bringup.wire import services as status
from bringup.wire import site as wire

bp = Blueprint("site", __name__)
# Bytes. The certificates of 32 services are below 16 KiB.
_HOST_LIMIT = body.MIB // 16


@bp.get("/enrollments")
@requires(Auth.CA)
@openapi.documented((HTTPStatus.OK, wire.EnrollmentList))
def list_enrollments() -> Response:
    """The requests for renewal that wait for the CA: the oldest 100."""
    return body.respond(wire.EnrollmentList(enrollments=services().enrollments.open()))


@bp.put("/enrollments/<enrollment_id>")
@requires(Auth.CA)
@openapi.documented(
    (HTTPStatus.OK, wire.TrustView), body=wire.EnrollmentDecision, refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
)
def decide(enrollment_id: str) -> Response:
    """Answer a request for renewal: with a certificate for its key, or with the reason for none."""
    decision = body.read(wire.EnrollmentDecision)
    known = services().enrollments.find(enrollment_id)
    if known is None:
        raise problems.unknown_enrollment(enrollment_id)
    if bool(decision.certificate) == bool(decision.reason):
        raise problems.invalid("send either a certificate or a reason")
    if decision.certificate and not _answers(decision.certificate, known.request, known.identity):
        raise problems.invalid("the certificate is not for the key and the identity of the request")
    if not services().enrollments.decide(known, certificate=decision.certificate, reason=decision.reason):
        raise problems.stale("another request of the same client has replaced this one")
    what = f"refused: {decision.reason}" if decision.reason else "signed"
    log.get("api").info("a request for renewal was decided", identity=known.identity, decision=what)
    return _trust_view()


@bp.put("/trust")
@requires(Auth.CA)
@openapi.documented((HTTPStatus.OK, wire.TrustView), body=wire.Trust, refusals=(HTTPStatus.CONFLICT,))
def publish() -> Response:
    """Publish trust anchors and revocation lists to every host. An older list than the one before is refused."""
    trust = body.read(wire.Trust)
    if problem := problem_of(trust):
        raise problems.invalid(problem)
    before = services().trust.published()
    if (
        before
        and before.crl != trust.crl
        and not is_newer(read_lists(trust.crl.encode()), read_lists(before.crl.encode()))
    ):
        raise problems.stale("a newer revocation list is published already")
    services().trust.publish(trust)
    return _trust_view()


@bp.get("/crl")
@requires(Auth.ANYONE)
@openapi.documented((HTTPStatus.OK, openapi.Text), public=True, refusals=(HTTPStatus.NOT_FOUND,))
def crl() -> Response:
    """The revocation lists in PEM, one for each CA. Every list is signed by its CA."""
    lists = services().trust.crl()
    if lists is None:
        raise problems.unknown_crl()
    return Response(lists, mimetype="text/plain")


@bp.get("/hosts")
@requires(Auth.CA)
@openapi.documented((HTTPStatus.OK, wire.HostViewList))
def hosts() -> Response:
    """What each host has reported: which CAs it trusts, and which certificates it uses."""
    return body.respond(wire.HostViewList(hosts=services().trust.hosts()))


@bp.put("/hosts/<name>")
@requires(Auth.HOST)
@openapi.documented(
    (HTTPStatus.OK, wire.TrustView), body=wire.HostReport, refusals=(HTTPStatus.FORBIDDEN,), limit=_HOST_LIMIT
)
def report(name: str) -> Response:
    """Report what a host has: by the host itself alone."""
    certificate = peer_certificate.verified()
    if certificate is None or identity_in(certificate) != f"{name}.host.bringup.internal":
        raise problems.forbidden(f"only {name} itself may report what it has")
    message = body.read(wire.HostReport, limit=_HOST_LIMIT)
    services().trust.report(name, message, services().database.now(), request.remote_addr or "")
    return _trust_view()


def _trust_view() -> Response:
    trust = services().trust.published()
    return body.respond(wire.TrustView(published=trust is not None, issuer=trust.issuer if trust else None))


def _answers(certificate_pem: str, request_pem: str, identity: str) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    except ValueError:
        return False
    wanted = x509.load_pem_x509_csr(request_pem.encode())
    return certificate.public_key() == wanted.public_key() and identity_in(certificate) == identity


@bp.get("/services")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, status.ServicesView))
def show_services() -> Response:
    """Boots in progress against their limits, the replicas of Redis, and when certificates of hosts end."""
    given = services()
    replicas = given.database.replicas()
    return body.respond(
        status.ServicesView(
            version=__version__,
            at=given.database.now(),
            boots=_boots(given),
            replicas=status.ReplicasView(following=replicas.following, known=replicas.known) if replicas else None,
            certificates=tuple(one for host in given.trust.hosts() for one in _certificates(host)),
        )
    )


def _boots(given: Services) -> status.BootsView:
    found = given.store.boot_slots.numbers()
    limits = given.store.inventory().boot_groups
    groups = (
        status.BootGroupView(name=name, booting=found.of_group[name], limit=limits[name]) for name in sorted(limits)
    )
    return status.BootsView(
        booting=found.booting,
        waiting=found.waiting,
        limit=given.settings.max_concurrent_boots,
        groups=tuple(groups),
    )


def _certificates(host: wire.HostView) -> list[status.CertificateView]:
    return [
        status.CertificateView(host=host.name, identity=identity, ends=held.ends, reported_at=host.at)
        for identity, held in sorted(host.report.certificates.items())
    ]


# Bytes. The ids of 200 checks are below 16 KiB.
_LIMIT = body.MIB // 16


@bp.post("/selftest")
@requires(Auth.WORKER)
@openapi.documented(
    (HTTPStatus.OK, status.SelfTestView),
    body=status.SelfTestReport,
    refusals=(HTTPStatus.TOO_MANY_REQUESTS,),
    limit=_LIMIT,
)
def post() -> Response:
    """Post the result of a host's self-test; it replaces the one before."""
    report = body.read(status.SelfTestReport, limit=_LIMIT)
    try:
        view = services().selftests.keep(report, services().database.now(), current_principal().name)
    except TooManyHosts:
        raise problems.busy("results of too many hosts are kept already") from None
    if not report.passed:
        log.get("api").warning("the self-test of a host has failed", host=report.host, failed=list(report.failed))
    return body.respond(view)


@bp.get("/selftest")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, status.SelfTestList))
def list_selftests() -> Response:
    """The last result of each host."""
    return body.respond(status.SelfTestList(selftests=services().selftests.all()))
