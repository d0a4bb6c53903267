"""Why Redis does not let us in: what our client could not say, seen by hand."""

from bringup.errors import BringupError, PermanentError, SettingsError
from bringup.openssl_errors import which_expired
from selftest.check import Finding, fail
from selftest.diagnosis import wrong_language
from selftest.explain import cause_and_mend, unusable
from selftest.probe import PING, Answer, trusting
from selftest.target_installation import Subject


def not_heard(subject: Subject) -> Finding | None:
    """What is wrong if Redis cannot be asked at all."""
    tls = subject.settings.redis_use_tls
    return wrong_language(subject.redis, subject.redis_heard, flag="REDIS_USE_TLS", tls=tls)


def why_not(subject: Subject, error: BringupError) -> Finding:
    """The failure, its likely cause and what mends it."""
    if isinstance(error, SettingsError):
        return fail("; ".join(error.problems), expected="usable certificate files", mend="bringup pki verify")
    if isinstance(error, PermanentError):
        return fail(str(error), expected="our password is accepted", mend="set REDIS_PASSWORD (and REDIS_USERNAME)")
    tls = subject.settings.redis_use_tls
    said = which_expired(by_hand(subject).first_line, subject.settings.path_of("redis_tls_cert"))
    cause, mend = cause_and_mend(said, cert="REDIS_TLS_CERT", ca="REDIS_TLS_CA") if tls else ("", "")
    return fail(
        f"{subject.redis}: {said if tls else error}",
        expected="an answer by mutual TLS" if tls else "an answer",
        cause=cause,
        mend=mend or "look at the log of Redis",
    )


def by_hand(subject: Subject) -> Answer:
    """What Redis answers to a PING without a password, over the connection that the flag asks for."""
    if not subject.settings.redis_use_tls:
        return subject.redis.plain(PING)
    try:
        return subject.redis.secured(trusting(subject.redis_identity), PING)
    except OSError as error:
        return Answer(accepted=False, said=unusable(error))
