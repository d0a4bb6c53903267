"""Test 7: what must be refused, is."""

from collections.abc import Callable
from pathlib import Path

from pki.crl import revoked_serials
from pki.errors import PkiError
from selftest.check import Check, Finding, fail, info, ok, skip
from selftest.checks.redis import always
from selftest.explain import unusable
from selftest.plaintext_port import plain_door
from selftest.probe import Answer, Identity, TlsContext, old_tls, trusting
from selftest.refusals import NOT_ASKED, Ask, Pretend, between_controls, must_refuse, plain_text_on
from selftest.server_target import API, REDIS, Target
from selftest.target_installation import Subject

_GROUP = "7 Refusals"


def _no_certificate(_subject: Subject, identity: Identity) -> TlsContext:
    return trusting(Identity(identity.ca))


def _forged(make: Callable[[Subject], tuple[Path, Path]]) -> Pretend:
    return lambda subject, identity: trusting(Identity(identity.ca, *make(subject)))


def _nobody_at_the_api(subject: Subject) -> Finding:
    """Who has no certificate does not get in, or where machines may, gets no further than a machine."""
    if not subject.settings.api_use_tls:
        return NOT_ASKED
    if subject.settings.api_require_client_cert:
        mend = "start `bringup api` with API_REQUIRE_CLIENT_CERT=true"
        bare = _no_certificate(subject, subject.api_identity)
        return between_controls(subject, API, lambda: subject.api.secured(bare, subject.health_request), mend=mend)
    return between_controls(subject, API, lambda: _staff_without_certificate(subject))


def _staff_without_certificate(subject: Subject) -> Answer:
    token = subject.settings.api_token.get_secret_value() if subject.settings.api_token else ""
    bare = _no_certificate(subject, subject.api_identity)
    answer = subject.api.secured(bare, _runs_request(subject, token))
    return Answer(accepted=" 401 " not in answer.said[:20], said=answer.said)


def _runs_request(subject: Subject, token: str) -> bytes:
    lines = ("GET /api/v1/runs HTTP/1.1", f"Host: {subject.api.host}", f"Authorization: Bearer {token}")
    return "\r\n".join((*lines, "Connection: close", "", "")).encode()


def _wrong_token(subject: Subject) -> Finding:
    """A wrong token opens nothing."""
    request = _runs_request(subject, "wrong")
    try:
        context = trusting(subject.api_identity) if subject.settings.api_use_tls else None
    except OSError as error:
        return skip(f"inconclusive: {unusable(error)}", mend="bringup pki verify")
    answer = subject.api.secured(context, request) if context else subject.api.plain(request)
    if " 401 " in answer.said[:20]:
        return ok("a wrong token gets 401")
    if not answer.said.startswith("HTTP/"):
        return skip(f"inconclusive: {answer.first_line}", mend="see 3a and 3b")
    return fail(f"a wrong token gets {answer.first_line}", expected="401", mend="see 3a and 3b")


def _revoked(subject: Subject) -> Finding:
    """A certificate that the CRL lists is refused by the API. (Redis reads no CRL: docs/REDIS_SECURITY.md.)"""
    if not subject.settings.api_use_tls:
        return NOT_ASKED
    try:
        serials = revoked_serials(subject.store)
    except PkiError as error:
        return skip(str(error), mend=error.hint or "bringup pki crl")
    if not serials:
        return info("nothing was revoked: there is nothing to refuse")
    return must_refuse(API, _forged(lambda s: s.forger.revoked(min(serials))))(subject)


_CASES: tuple[tuple[str, str, Pretend], ...] = (
    ("foreign-ca", "a certificate of a foreign CA with the name of ours", _forged(lambda s: s.forger.foreign())),
    ("expired", "an expired certificate", _forged(lambda s: s.forger.expired())),
    ("not-yet-valid", "a certificate that is not valid yet", _forged(lambda s: s.forger.not_yet_valid())),
    ("wrong-purpose", "a server's certificate as a client", _forged(lambda s: s.forger.wrong_purpose())),
    ("old-tls", "TLS 1.1", lambda _subject, identity: old_tls(identity)),
)


def _check(target: Target, name: str, title: str, ask: Ask) -> Check:
    prefix = "7.redis" if target is REDIS else "7.api"
    return Check(f"{prefix}.{name}", _GROUP, f"{target.name} {title}", ask, target.promised, needs=(target.hindrance,))


def _of(target: Target, nobody: Ask) -> list[Check]:
    return [
        _check(target, "no-certificate", "refuses who has no certificate", nobody),
        *(_check(target, name, f"refuses {what}", must_refuse(target, pretend)) for name, what, pretend in _CASES),
        _check(target, "plain-text", "refuses plain text", plain_text_on(target)),
    ]


CHECKS = (
    *_of(REDIS, must_refuse(REDIS, _no_certificate)),
    _check(REDIS, "plain-port", "has no plain-text port", plain_door),
    *_of(API, _nobody_at_the_api),
    _check(API, "revoked", "refuses a revoked certificate", _revoked),
    Check("7.api.wrong-token", _GROUP, "The API refuses a wrong token", _wrong_token, always, needs=(API.hindrance,)),
)
