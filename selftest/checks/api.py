"""Test 3: the callback API, as workers and operators reach it, and the clocks of all sides."""

import re
from email.utils import parsedate_to_datetime

from bringup import log
from bringup.connections.api_client import ApiClient
from bringup.connections.redis_client import redis_errors
from bringup.errors import BringupError
from bringup.wire.message import Health
from bringup.wire.run import RunList
from selftest.api_diagnosis import look_at, not_ours, why_not_let_in, why_not_reached
from selftest.check import Check, Finding, Status, info, ok, skip, warn
from selftest.checks.redis import connected
from selftest.target_installation import Subject

_GROUP = "3 Callback API"
_SKEW_WARN_S, _SKEW_FAIL_S = 5.0, 300.0


def _plain(subject: Subject) -> Finding:
    if subject.settings.api_use_tls:
        return info("not used: API_USE_TLS=true (7 shows that plain text is refused)")
    return _reach(subject)


def _https(subject: Subject) -> Finding:
    if not subject.settings.api_use_tls:
        return warn("no HTTPS (API_USE_TLS=false): expected in development only")
    return _reach(subject)


def _reach(subject: Subject) -> Finding:
    if found := not_ours(subject):
        return found
    try:
        client = ApiClient(subject.hurried, subject.contexts)
        health = client.get("/health", Health)
    except BringupError as error:
        return why_not_reached(subject, error)
    try:
        client.get("/runs?limit=1", RunList)
    except BringupError as error:
        return why_not_let_in(error)
    how = "HTTPS with our client certificate" if subject.settings.api_use_tls else "HTTP"
    return ok(f"{health.service} {health.version} answers by {how} and takes our token")


def _clocks(subject: Subject) -> Finding:
    """TLS and deadlines stand on clocks that agree."""
    skews = {"Redis": _redis_skew(subject), "the API": _api_skew(subject)}
    words = ", ".join(f"{name} {skew:+.1f} s" for name, skew in skews.items() if skew is not None)
    worst = max((abs(skew) for skew in skews.values() if skew is not None), default=0)
    if worst > _SKEW_WARN_S:
        status = Status.FAIL if worst > _SKEW_FAIL_S else Status.WARN
        return Finding(status, f"clocks differ from this host's: {words}", "a few seconds", mend="chronyc makestep")
    if mute := [name for name, skew in skews.items() if skew is None]:
        return skip(f"{' and '.join(mute)} did not tell the time", mend="see 1a, 3a and 3b")
    return ok(f"against this host's clock: {words}")


def _redis_skew(subject: Subject) -> float | None:
    try:
        with redis_errors(subject.settings):
            seconds, microseconds = connected(subject).time()
    except BringupError as error:
        log.get("selftest").debug("Redis did not tell its time", why=str(error))
        return None
    return seconds + microseconds / 1e6 - subject.now().timestamp()


def _api_skew(subject: Subject) -> float | None:
    told = re.search(r"^Date: ([^\r\n]{10,40})", look_at(subject).said, re.MULTILINE | re.IGNORECASE)
    if not told:
        return None
    try:
        return parsedate_to_datetime(told[1]).timestamp() - subject.now().timestamp()
    except ValueError:
        return None


def api_tls(subject: Subject) -> bool:
    """Whether HTTPS is promised."""
    return subject.settings.api_use_tls


def api_plain(subject: Subject) -> bool:
    """Whether HTTP is what is used."""
    return not api_tls(subject)


CHECKS = (
    Check("3a", _GROUP, "API by HTTP", _plain, api_plain),
    Check("3b", _GROUP, "API by HTTPS with our client certificate", _https, api_tls),
    Check(
        "3c",
        _GROUP,
        "Clocks of Redis, the API and this host agree",
        _clocks,
        lambda subject: subject.any_tls,
        needs=(lambda subject: subject.redis_hindrance, lambda subject: subject.api_hindrance),
    ),
)
