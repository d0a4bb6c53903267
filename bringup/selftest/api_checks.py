"""Test 3: the callback API, as workers and operators reach it, and the clocks of all sides."""

import re
from email.utils import parsedate_to_datetime

from bringup import log
from bringup.connections import ApiClient, connect_redis, redis_errors
from bringup.errors import ApiRejected, ApiUnavailable, BringupError, WireError
from bringup.selftest.check import Check, Finding, fail, info, ok, skip, warn
from bringup.selftest.explain import cause_and_mend
from bringup.selftest.probe import Answer, trusting
from bringup.selftest.redis_checks import always
from bringup.selftest.subject import Subject
from bringup.wire import Health, RunList

_GROUP = "3 Callback API"
_SKEW_WARN_S, _SKEW_FAIL_S = 5.0, 300.0


def health_request(subject: Subject) -> bytes:
    """What a probe asks of the API."""
    return f"GET /api/v1/health HTTP/1.1\r\nHost: {subject.api.host}\r\nConnection: close\r\n\r\n".encode()


def _plain(subject: Subject) -> Finding:
    if subject.settings.api_use_tls:
        return info("not used: API_USE_TLS=true (7 shows that plain text is refused)")
    return _reach(subject)


def _https(subject: Subject) -> Finding:
    if not subject.settings.api_use_tls:
        return warn("no HTTPS (API_USE_TLS=false): expected in development only")
    return _reach(subject)


def _reach(subject: Subject) -> Finding:
    quick = subject.settings.model_copy(update={"api_timeout_s": subject.timeout_s})
    try:
        client = ApiClient(quick, subject.contexts)
        health = client.get("/health", Health)
        client.get("/runs?limit=1", RunList)
    except ApiRejected as error:
        return fail(
            str(error), expected="our API_TOKEN and certificate are accepted", mend="set API_TOKEN as the API has it"
        )
    except (ApiUnavailable, WireError) as error:
        return _diagnosed(subject, error)
    except BringupError as error:
        return fail(str(error), mend="bringup pki verify")
    how = "HTTPS with our client certificate" if subject.settings.api_use_tls else "HTTP"
    return ok(f"{health.service} {health.version} answers by {how} and takes our token")


def _diagnosed(subject: Subject, error: BringupError) -> Finding:
    """Look by hand at what is on the port."""
    settings = subject.settings
    answer = _by_hand(subject)
    if answer.accepted and not settings.api_use_tls and "bringup-api" not in answer.said:
        return _foreign(subject, answer)
    if answer.accepted and settings.api_use_tls:
        return _foreign(subject, answer)
    if not settings.api_use_tls and "closed" in answer.said:
        cause = "the API speaks HTTPS here, but API_USE_TLS=false"
        return fail(f"{subject.api}: {answer.said}", cause=cause, mend="set API_USE_TLS=true")
    cause, mend = cause_and_mend(answer.said, cert="API_CLIENT_CERT", ca="API_TLS_CA", flag="API_USE_TLS")
    return fail(
        f"{subject.api}: {answer.said.strip()[:160] or error}", expected="the API answers", cause=cause, mend=mend
    )


def _foreign(subject: Subject, answer: Answer) -> Finding:
    server = re.search(r"^Server: ([^\r\n]{1,80})", answer.said, re.MULTILINE | re.IGNORECASE)
    name = server[1] if server else answer.said.splitlines()[0][:60]
    return fail(
        f"{subject.api} is answered by another server: {name}",
        expected="bringup-api",
        cause="another program has the port",
        mend="set CALLBACK_API_PORT to a free port",
    )


def _by_hand(subject: Subject) -> Answer:
    request = health_request(subject)
    if not subject.settings.api_use_tls:
        return subject.api.plain(request)
    try:
        return subject.api.secured(trusting(subject.api_identity), request)
    except OSError as error:
        return Answer(accepted=False, said=str(error))


def _clocks(subject: Subject) -> Finding:
    """TLS and deadlines stand on clocks that agree."""
    skews = {"Redis": _redis_skew(subject), "the API": _api_skew(subject)}
    known = {name: skew for name, skew in skews.items() if skew is not None}
    if not known:
        return skip("neither Redis nor the API told its time")
    words = ", ".join(f"{name} {skew:+.1f} s" for name, skew in known.items())
    worst = max(abs(skew) for skew in known.values())
    if worst > _SKEW_FAIL_S:
        return fail(f"clocks differ from this host's: {words}", expected="a few seconds", mend="chronyc makestep")
    if worst > _SKEW_WARN_S:
        return warn(f"clocks differ from this host's: {words}", mend="chronyc makestep")
    return ok(f"against this host's clock: {words}")


def _redis_skew(subject: Subject) -> float | None:
    try:
        with redis_errors(subject.settings):
            redis = connect_redis(subject.settings, subject.contexts, name="selftest")
            seconds, microseconds = redis.time()
    except BringupError as error:
        log.get("selftest").debug("Redis did not tell its time", why=str(error))
        return None
    return seconds + microseconds / 1e6 - subject.now().timestamp()


def _api_skew(subject: Subject) -> float | None:
    told = re.search(r"^Date: ([^\r\n]{10,40})", _by_hand(subject).said, re.MULTILINE | re.IGNORECASE)
    if not told:
        return None
    try:
        return parsedate_to_datetime(told[1]).timestamp() - subject.now().timestamp()
    except ValueError:
        return None


def api_tls(subject: Subject) -> bool:
    """Whether HTTPS is promised."""
    return subject.settings.api_use_tls


CHECKS = (
    Check("3a", _GROUP, "API by HTTP", _plain, always),
    Check("3b", _GROUP, "API by HTTPS with our client certificate", _https, api_tls),
    Check("3c", _GROUP, "Clocks of Redis, the API and this host agree", _clocks, lambda subject: subject.any_tls),
)
