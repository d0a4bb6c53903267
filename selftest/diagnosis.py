"""Why Redis or the API does not let our clients in: seen by probes, because a client's own error shows too little."""

import re

from bringup import errors, openssl_errors
from bringup.tls_failures import cause_and_hint
from pki.check import Finding, fail
from selftest.probe import Answer, insecure_context, verifying_context
from selftest.protocol_probe import Protocol
from selftest.target_installation import TargetInstallation, TlsServer

API_SERVICE = "bringup-api"  # the name in /health: other programs answer on our port, too


def redis_unreachable(target: TargetInstallation) -> Finding | None:
    """What is wrong if Redis cannot be asked at all."""
    return _wrong_protocol(target.redis)


def api_unreachable(target: TargetInstallation) -> Finding | None:
    """What is wrong if the API cannot be asked at all."""
    return _other_program(target) or _wrong_protocol(target.api)


def _wrong_protocol(server: TlsServer) -> Finding | None:
    """Nothing answers, or one side uses TLS and the other does not; None if neither is what is wrong."""
    if server.detected.is_silent:
        return fail(
            f"{server.endpoint}: {server.detected.detail}",
            expected="it answers",
            cause="it is not running, or listens elsewhere",
            hint="start it; `bringup config` shows where it is looked for",
        )
    if not server.blocker:
        return None
    wanted, other = (Protocol.TLS, "without") if server.use_tls else (Protocol.PLAIN, "with")
    here = str(server.use_tls).lower()
    return fail(
        f"{server.endpoint} speaks {server.detected.protocol}",
        expected=wanted,
        cause=f"{server.flag}={here} here, but the server was started {other} TLS",
        hint=f"start the server with {server.flag}=true as well, check {server.connection.address}, "
        f"or set {server.flag}=false"
        if server.use_tls
        else f"set {server.flag}=true",
    )


def redis_refuses(target: TargetInstallation, error: errors.BringupError) -> Finding:
    """Why Redis, which answers, does not let our client in."""
    if isinstance(error, errors.SettingsError):
        return _unusable_files(error)
    if isinstance(error, errors.PermanentError):
        return fail(str(error), expected="our password is accepted", hint="set REDIS_PASSWORD (and REDIS_USERNAME)")
    if not target.redis.use_tls:
        return fail(f"{target.redis.endpoint}: {error}", expected="an answer", hint="look at the log of Redis")
    text = openssl_errors.which_expired(
        ping_without_password(target).first_line, target.settings.path_of("redis_tls_cert")
    )
    cause, hint = cause_and_hint(text, target.redis.connection)
    return fail(f"{target.redis.endpoint}: {text}", expected="an answer by mutual TLS", cause=cause, hint=hint)


def ping_without_password(target: TargetInstallation) -> Answer:
    """What Redis answers to a PING without a password, over the connection that the flag asks for."""
    if not target.redis.use_tls:
        return target.redis.plain()
    try:
        return target.redis.secured(verifying_context(target.redis.identity))
    except OSError as error:
        return Answer(accepted=False, text=openssl_errors.unusable(error))


def api_unhealthy(target: TargetInstallation, error: errors.BringupError) -> Finding:
    """Why the API, which answers, does not report that it is healthy."""
    if isinstance(error, errors.SettingsError):
        return _unusable_files(error)
    expected = "a healthy answer"
    if not target.api.use_tls:
        return fail(f"{target.api.endpoint}: {error}", expected=expected, hint="look at the log of the API")
    text = _refusal_of_api(target)
    cause, hint = cause_and_hint(text, target.api.connection)
    return fail(f"{target.api.endpoint}: {text}", expected=expected, cause=cause, hint=hint)


def api_refuses(error: errors.BringupError) -> Finding:
    """Why an API that is healthy does not do what we ask."""
    if isinstance(error, errors.ApiRejected):
        setting = "API_CLIENT_CERT and API_CLIENT_KEY" if "certificate" in str(error) else "API_TOKEN"
        expected = "our token and our certificate are accepted"
        return fail(str(error), expected=expected, hint=f"set {setting} as the API wants it")
    return fail(
        f"the API is up, but cannot do its work: {error}",
        expected="it lists its runs",
        hint="look at 1a and at the log of the API",
    )


def api_health(target: TargetInstallation) -> Answer:
    """What the API reports of itself, whatever its certificate: no secret is sent."""
    server = target.api
    if server.detected.protocol is Protocol.TLS:
        return server.endpoint.secured(insecure_context(server.identity), server.request, listen_s=0)
    return server.plain()


def _other_program(target: TargetInstallation) -> Finding | None:
    """Another program that has the API's port, by its name."""
    if target.api.detected.is_silent:
        return None
    text = api_health(target).text
    if not text.startswith("HTTP/") or API_SERVICE in text:
        return None
    server = re.search(r"^Server: ([^\r\n]{1,80})", text, re.MULTILINE | re.IGNORECASE)
    return fail(
        f"{target.api.endpoint}: another server answers there: {server[1] if server else text.splitlines()[0][:60]}",
        expected=API_SERVICE,
        cause="another program has the port (on macOS AirPlay has 5000)",
        hint="set CALLBACK_API_PORT to a free port",
    )


def _refusal_of_api(target: TargetInstallation) -> str:
    try:
        text = target.api.secured(verifying_context(target.api.identity)).first_line
    except OSError as error:
        return openssl_errors.unusable(error)
    return openssl_errors.which_expired(text, target.settings.path_of("api_client_cert"))


def _unusable_files(error: errors.SettingsError) -> Finding:
    return fail("; ".join(error.problems), expected="usable certificate files", hint="bringup pki verify")
