"""Test 7: what must be refused, is. Each refusal stands between two controls that must be accepted.

Without them a server that is down, or refuses everybody, would look safe. A refusal whose controls fail is
inconclusive, and inconclusive is never a pass.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bringup.errors import BringupError
from bringup.selftest.api_checks import api_tls, health_request
from bringup.selftest.check import Check, Finding, fail, info, ok, skip
from bringup.selftest.forged import NoCaKey
from bringup.selftest.probe import PING, Answer, Endpoint, Identity, TlsContext, old_tls, trusting
from bringup.selftest.redis_checks import always, redis_tls
from bringup.selftest.subject import Subject
from pki.errors import PkiError
from pki.revocation import revoked_serials

_GROUP = "7 Refusals"
_PLAIN_REDIS_PORT = 6379


@dataclass(frozen=True)
class Target:
    """One TLS endpoint and how we are known there."""

    name: str
    endpoint: Callable[[Subject], Endpoint]
    identity: Callable[[Subject], Identity]
    request: Callable[[Subject], bytes]
    promised: Callable[[Subject], bool]


REDIS = Target("Redis", lambda s: s.redis, lambda s: s.redis_identity, lambda _s: PING, redis_tls)
API = Target("API", lambda s: s.api, lambda s: s.api_identity, health_request, api_tls)

Pretend = Callable[[Subject, Identity], TlsContext]


def _must_refuse(target: Target, pretend: Pretend) -> Callable[[Subject], Finding]:
    """The check that ``target`` refuses who comes with the context of ``pretend``."""

    def check(subject: Subject) -> Finding:
        if not target.promised(subject):
            return info("not asked: its TLS flag is off")
        try:
            context = pretend(subject, target.identity(subject))
        except (NoCaKey, PkiError) as error:
            return skip(f"needs the CA key to forge a certificate: {error}", mend="run it on the host of the CA")
        except OSError as error:
            return skip(f"a certificate file is unusable: {error}", mend="bringup pki verify")
        return _between_controls(
            subject, target, lambda: target.endpoint(subject).secured(context, target.request(subject))
        )

    return check


def _between_controls(subject: Subject, target: Target, attempt: Callable[[], Answer]) -> Finding:
    before = _control(subject, target)
    answer = attempt()
    after = _control(subject, target)
    if answer.accepted and not _is_refusal(answer):
        return fail(f"{target.name} accepted it: {_first_line(answer)}", expected="refused", mend=_mend(target))
    if not (before.accepted and after.accepted):
        why = (after if before.accepted else before).said
        return skip(
            f"inconclusive: our own good certificate was refused too ({why.strip()[:100]})", mend="see 2b and 3b"
        )
    return ok(f"refused: {_first_line(answer)}")


def _control(subject: Subject, target: Target) -> Answer:
    try:
        context = trusting(target.identity(subject))
        return target.endpoint(subject).secured(context, target.request(subject), listen_s=0)
    except OSError as error:
        return Answer(accepted=False, said=str(error))


def _is_refusal(answer: Answer) -> bool:
    """gunicorn may answer a request that it refuses in HTTP."""
    return answer.said.startswith(("HTTP/1.1 400", "HTTP/1.1 403"))


def _first_line(answer: Answer) -> str:
    return (answer.said.splitlines() or [""])[0][:120]


def _mend(target: Target) -> str:
    return (
        "bringup redis-conf, and start Redis with it" if target is REDIS else "start `bringup api` with these settings"
    )


def _no_certificate(_subject: Subject, identity: Identity) -> TlsContext:
    return trusting(Identity(identity.ca))


def _forged(make: Callable[[Subject], tuple[Path, Path]]) -> Pretend:
    def pretend(subject: Subject, identity: Identity) -> TlsContext:
        return trusting(Identity(identity.ca, *make(subject)))

    return pretend


def _old_tls(_subject: Subject, identity: Identity) -> TlsContext:
    return old_tls(identity)


def _plain_text(target: Target) -> Callable[[Subject], Finding]:
    """Plain text on the TLS port gets no answer."""

    def check(subject: Subject) -> Finding:
        if not target.promised(subject):
            return info("not asked: its TLS flag is off")
        return _between_controls(subject, target, lambda: target.endpoint(subject).plain(target.request(subject)))

    return check


def _plain_door(subject: Subject) -> Finding:
    """There is no second, plain-text port of Redis beside the TLS one."""
    if not subject.settings.redis_use_tls:
        return info("not asked: REDIS_USE_TLS is off")
    ports = sorted({_PLAIN_REDIS_PORT, subject.settings.redis_port - 1, 6380} - {subject.settings.redis_port})
    for port in ports:
        answer = Endpoint("Redis", subject.settings.redis_host, port, 0.5).plain(PING)
        if answer.said.startswith(("+PONG", "-NOAUTH", "-DENIED")):
            return fail(
                f"a Redis answers in plain text on port {port}",
                expected="no plain-text port",
                cause="`port` is not 0 in redis.conf, or another Redis runs there",
                mend="bringup redis-conf writes `port 0`",
            )
    return ok(f"no Redis answers in plain text on {', '.join(map(str, ports))}")


def _machine_without_certificate(subject: Subject) -> Finding:
    """Who has no certificate gets no further than a machine may, whatever token it bears."""
    if not subject.settings.api_use_tls:
        return info("not asked: API_USE_TLS is off")
    if subject.settings.api_require_client_cert:
        return _must_refuse(API, _no_certificate)(subject)
    token = subject.settings.api_token.get_secret_value() if subject.settings.api_token else ""
    request = _runs_request(subject, token)

    def attempt() -> Answer:
        answer = subject.api.secured(trusting(Identity(subject.api_identity.ca)), request)
        return Answer(accepted=" 401 " not in answer.said[:20], said=answer.said, certificate=answer.certificate)

    return _between_controls(subject, API, attempt)


def _runs_request(subject: Subject, token: str) -> bytes:
    lines = ("GET /api/v1/runs HTTP/1.1", f"Host: {subject.api.host}", f"Authorization: Bearer {token}")
    return "\r\n".join((*lines, "Connection: close", "", "")).encode()


def _wrong_token(subject: Subject) -> Finding:
    """A wrong token opens nothing."""
    request = _runs_request(subject, "wrong")
    try:
        context = trusting(subject.api_identity) if subject.settings.api_use_tls else None
    except OSError as error:
        return skip(f"a certificate file is unusable: {error}", mend="bringup pki verify")
    answer = subject.api.secured(context, request) if context else subject.api.plain(request)
    if " 401 " in answer.said[:20]:
        return ok("a wrong token gets 401")
    if not answer.said.startswith("HTTP/"):
        return skip(f"inconclusive: {_first_line(answer)}", mend="see 3a and 3b")
    return fail(f"a wrong token gets {_first_line(answer)}", expected="401")


def _revoked(subject: Subject) -> Finding:
    """A certificate that the CRL lists is refused by the API. (Redis reads no CRL: docs/REDIS_SECURITY.md.)"""
    if not subject.settings.api_use_tls:
        return info("not asked: API_USE_TLS is off")
    try:
        serials = revoked_serials(subject.store)
    except (PkiError, BringupError) as error:
        return skip(str(error), mend="bringup pki crl")
    if not serials:
        return info("nothing was revoked: there is nothing to refuse")
    return _must_refuse(API, _forged(lambda s: s.forger.revoked(min(serials))))(subject)


_CASES: tuple[tuple[str, str, Pretend], ...] = (
    ("foreign-ca", "a certificate of a foreign CA with the name of ours", _forged(lambda s: s.forger.foreign())),
    ("expired", "an expired certificate", _forged(lambda s: s.forger.expired())),
    ("not-yet-valid", "a certificate that is not valid yet", _forged(lambda s: s.forger.not_yet_valid())),
    ("wrong-purpose", "a server's certificate as a client", _forged(lambda s: s.forger.wrong_purpose())),
    ("old-tls", "TLS 1.1", _old_tls),
)


def _of(target: Target) -> list[Check]:
    prefix = f"7.{target.name.lower()}"
    cases = [
        Check(
            f"{prefix}.{case}", _GROUP, f"{target.name} refuses {title}", _must_refuse(target, pretend), target.promised
        )
        for case, title, pretend in _CASES
    ]
    plain = Check(
        f"{prefix}.plain-text", _GROUP, f"{target.name} refuses plain text", _plain_text(target), target.promised
    )
    return [*cases, plain]


CHECKS = (
    Check(
        "7.redis.no-certificate",
        _GROUP,
        "Redis refuses who has no certificate",
        _must_refuse(REDIS, _no_certificate),
        redis_tls,
    ),
    *_of(REDIS),
    Check("7.redis.plain-port", _GROUP, "Redis has no plain-text port", _plain_door, redis_tls),
    Check(
        "7.api.no-certificate",
        _GROUP,
        "The API refuses staff without a certificate",
        _machine_without_certificate,
        api_tls,
    ),
    *_of(API),
    Check("7.api.revoked", _GROUP, "The API refuses a revoked certificate", _revoked, api_tls),
    Check("7.api.wrong-token", _GROUP, "The API refuses a wrong token", _wrong_token, always),
)
