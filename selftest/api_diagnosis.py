"""Why the API does not let us in; and if another program has its port, which."""

import re

from bringup.errors import ApiRejected, BringupError, SettingsError
from bringup.openssl_errors import which_expired
from selftest.check import Finding, fail
from selftest.diagnosis import wrong_language
from selftest.explain import cause_and_mend, unusable
from selftest.probe import Answer, looking, trusting
from selftest.protocol_probe import Language
from selftest.target_installation import Subject

_SERVICE = "bringup-api"


def not_ours(subject: Subject) -> Finding | None:
    """What is wrong if the API cannot be asked at all."""
    tls = subject.settings.api_use_tls
    return _foreign(subject) or wrong_language(subject.api, subject.api_heard, flag="API_USE_TLS", tls=tls)


def why_not_reached(subject: Subject, error: BringupError) -> Finding:
    """Why there is no healthy answer: the failure, its likely cause and what mends it."""
    if isinstance(error, SettingsError):
        return fail("; ".join(error.problems), expected="usable certificate files", mend="bringup pki verify")
    said = _by_hand(subject) if subject.settings.api_use_tls else ""
    cause, mend = cause_and_mend(said, cert="API_CLIENT_CERT", ca="API_TLS_CA")
    return fail(f"{subject.api}: {said or error}", expected="a healthy answer", cause=cause, mend=mend)


def why_not_let_in(error: BringupError) -> Finding:
    """Why an API that is healthy does not do what we ask."""
    if isinstance(error, ApiRejected):
        what = "API_CLIENT_CERT and API_CLIENT_KEY" if "certificate" in str(error) else "API_TOKEN"
        expected = "our token and our certificate are accepted"
        return fail(str(error), expected=expected, mend=f"set {what} as the API wants it")
    return fail(
        f"the API is up, but cannot do its work: {error}",
        expected="it lists its runs",
        mend="look at 1a and at the log of the API",
    )


def look_at(subject: Subject) -> Answer:
    """What the API says of itself, whoever certifies it: no secret is sent."""
    if subject.api_heard.language is Language.TLS:
        return subject.api.secured(looking(subject.api_identity), subject.health_request, listen_s=0)
    return subject.api.plain(subject.health_request)


def _foreign(subject: Subject) -> Finding | None:
    """Another program that has the port, by its name."""
    if subject.api_heard.silent:
        return None
    said = look_at(subject).said
    if not said.startswith("HTTP/") or _SERVICE in said:
        return None
    server = re.search(r"^Server: ([^\r\n]{1,80})", said, re.MULTILINE | re.IGNORECASE)
    return fail(
        f"{subject.api}: another server answers there: {server[1] if server else said.splitlines()[0][:60]}",
        expected=_SERVICE,
        cause="another program has the port (on macOS AirPlay has 5000)",
        mend="set CALLBACK_API_PORT to a free port",
    )


def _by_hand(subject: Subject) -> str:
    try:
        said = subject.api.secured(trusting(subject.api_identity), subject.health_request).first_line
    except OSError as error:
        return unusable(error)
    return which_expired(said, subject.settings.path_of("api_client_cert"))
