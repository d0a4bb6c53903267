"""Test 7: every client, protocol and port that the servers must refuse."""

from bringup import errors, openssl_errors
from bringup.connections.redis_client import redis_errors
from pki import check, crl
from pki.errors import PkiError
from selftest import controls
from selftest.bad_certificates import BadCertificates
from selftest.case import API, AT_REDIS, NEAR_API, REDIS, Ask, Case, ServerOf, always, api_tls, redis_tls
from selftest.probe import PING, Answer, Endpoint, old_tls_context, verifying_context
from selftest.target_installation import TargetInstallation

_GROUP = "7 Refusals"
_NO_PROXY = "let clients reach `bringup api` itself: a proxy in front of it must pass on their token as it comes"
# Where Redis listens by default, and where people put a second one: tried besides the port that Redis itself reports.
_USUAL_PORTS = {6379, 6380}
# How long one of these ports is waited for: behind a firewall that drops packets each costs this time, and there are
# four at most.
_PORT_WAIT_S = 0.5
_RUNS = "GET /api/v1/runs"
# "HTTP/1.1 401 ": the status is within the first characters of an answer, whatever follows.
_STATUS_LINE_CHARS = 20


def _no_certificate_at_the_api(target: TargetInstallation) -> check.Finding:
    """A client without certificate is refused; where machines may come without, it may do no more than a machine."""
    if not target.api.use_tls:
        return controls.NOT_ASKED
    if target.settings.api_require_client_cert:
        hint = "start `bringup api` with API_REQUIRE_CLIENT_CERT=true"
        bare = controls.no_certificate(target, target.api.identity)
        return controls.between_controls(target.api, lambda: target.api.secured(bare), hint=hint)
    return controls.between_controls(target.api, lambda: _staff_without_certificate(target))


def _staff_without_certificate(target: TargetInstallation) -> Answer:
    bare = controls.no_certificate(target, target.api.identity)
    answer = target.api.endpoint.secured(bare, controls.api_request(target, _RUNS))
    # An API that is stricter than our settings refuses the connection itself: no answer is no acceptance.
    is_let_in = answer.accepted and " 401 " not in answer.text[:_STATUS_LINE_CHARS]
    return Answer(accepted=is_let_in, text=answer.text)


def _wrong_token(target: TargetInstallation) -> check.Finding:
    """A client with a wrong token gets 401."""
    request, endpoint = controls.api_request(target, _RUNS, "wrong"), target.api.endpoint
    try:
        context = verifying_context(target.api.identity) if target.api.use_tls else None
    except OSError as error:
        return check.skip(f"inconclusive: {openssl_errors.unusable(error)}", hint="bringup pki verify")
    answer = endpoint.secured(context, request) if context else endpoint.plain(request)
    if " 401 " in answer.text[:_STATUS_LINE_CHARS]:
        return check.ok("a wrong token gets 401")
    if not answer.text.startswith("HTTP/"):
        return check.skip(f"inconclusive: {answer.first_line}", hint="see 3a and 3b")
    return check.fail(f"a wrong token gets {answer.first_line}", expected="401", hint=_NO_PROXY)


def _revoked(target: TargetInstallation) -> check.Finding:
    """A certificate that the CRL lists is refused by the API. (Redis reads no CRL: docs/REDIS_SECURITY.md.)"""
    if not target.api.use_tls:
        return controls.NOT_ASKED
    try:
        serials = crl.revoked_serials(target.ca_store)
    except PkiError as error:
        return check.skip(str(error), hint=error.hint or "bringup pki crl")
    if not serials:
        return check.info("nothing was revoked: there is nothing to refuse")
    return controls.must_refuse(API, controls.presenting(lambda bad: bad.revoked(min(serials))))(target)


def _plaintext_port(target: TargetInstallation) -> check.Finding:
    """Redis has no second port without TLS: Redis itself is asked, then that port and the usual ones are tried."""
    if not target.redis.use_tls:
        return controls.NOT_ASKED
    try:
        with redis_errors(target.settings):
            port = int(target.redis_client().info("server")["tcp_port"])
    except errors.BringupError as error:
        return check.skip(f"inconclusive: Redis does not report its ports ({error})", hint="see 1a and 2b")
    own = target.redis.address[1]
    if port != own and _answers(target, port):
        return check.fail(
            f"Redis answers in plain text on port {port}",
            expected="no plain-text port",
            cause="`port` is not 0 in its configuration",
            hint="bringup redis-conf writes `port 0`; until then: CONFIG SET port 0",
        )
    return _other_redis(target, sorted(_USUAL_PORTS | {own - 1} - {own, port}))


def _other_redis(target: TargetInstallation, ports: list[int]) -> check.Finding:
    """Another Redis on this host gives no access to ours, but an operator should know of it."""
    found = [port for port in ports if _answers(target, port)]
    if found:
        return check.warn(f"ours has no plain-text port, but another Redis answers on {', '.join(map(str, found))}")
    return check.ok(f"Redis reports that it has none; nor does any answer on {', '.join(map(str, ports))}")


def _answers(target: TargetInstallation, port: int) -> bool:
    """Redis speaks RESP: its answers begin with ``+`` or ``-``."""
    answer = Endpoint("Redis", target.redis.address[0], port, _PORT_WAIT_S).plain(PING)
    return answer.text.startswith(("+", "-"))


# What both servers must refuse, each wrong in one respect: the id, how the title calls it, and the client.
_CASES: tuple[tuple[str, str, controls.Pretend], ...] = (
    ("foreign-ca", "a certificate of a foreign CA with the name of ours", controls.presenting(BadCertificates.foreign)),
    ("expired", "an expired certificate", controls.presenting(BadCertificates.expired)),
    ("not-yet-valid", "a certificate that is not valid yet", controls.presenting(BadCertificates.not_yet_valid)),
    ("wrong-purpose", "a server's certificate as a client", controls.presenting(BadCertificates.wrong_purpose)),
    ("old-tls", "TLS 1.1", lambda _target, identity: old_tls_context(identity)),
)


def _redis_check(name: str, title: str, ask: Ask, roles: frozenset[str] = frozenset()) -> Case:
    id_, title = f"7.redis.{name}", f"Redis {title}"
    return Case(id_, title, ask, group=_GROUP, required_by=redis_tls, servers=(REDIS,), roles=roles)


def _api_check(name: str, title: str, ask: Ask) -> Case:
    return Case(
        f"7.api.{name}", f"The API {title}", ask, group=_GROUP, required_by=api_tls, servers=(API,), roles=NEAR_API
    )


def _refusals(server_of: ServerOf, no_certificate: Ask) -> list[tuple[str, str, Ask]]:
    """What both servers must refuse."""
    return [
        ("no-certificate", "refuses a client without a certificate", no_certificate),
        *((name, f"refuses {what}", controls.must_refuse(server_of, pretend)) for name, what, pretend in _CASES),
        ("plain-text", "refuses plain text", controls.must_refuse_plain_text(server_of)),
    ]


# Test 7 proves that the servers refuse what they must: clients without certificate, with a bad one, with TLS 1.1 or in
# plain text. Each attempt is made between two controls, connections that must succeed: see `controls`. Besides, Redis
# has no second port in plain text, and the API refuses revoked certificates and wrong tokens.
CHECKS = (
    *(_redis_check(*case) for case in _refusals(REDIS, controls.must_refuse(REDIS, controls.no_certificate))),
    _redis_check("plain-port", "has no plain-text port", _plaintext_port, AT_REDIS),
    *(_api_check(*case) for case in _refusals(API, _no_certificate_at_the_api)),
    _api_check("revoked", "refuses a revoked certificate", _revoked),
    Case(
        "7.api.wrong-token",
        "The API refuses a wrong token",
        _wrong_token,
        group=_GROUP,
        required_by=always,
        servers=(API,),
        roles=NEAR_API,
    ),
)
