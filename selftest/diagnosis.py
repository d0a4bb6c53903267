"""Why Redis or the API does not let our clients in: seen by probes, because a client's own error shows too little."""

import re
import shlex
from pathlib import Path

from bringup import errors, openssl_errors
from bringup.tls_failures import cause_and_hint
from pki.check import Finding, fail
from selftest import probe, protocol_probe
from selftest.target_installation import TargetInstallation, TlsServer

_ROLE_FILE = Path("redis/worker.env")  # `bringup redis-conf` writes it: the user and the password of a worker

# What Redis answers to a PING: RESP, with or without a password.
_OF_REDIS = ("+PONG", "-NOAUTH", "-DENIED", "-ERR")
# By Redis's code of error: how it takes writes again.
_WRITES_AGAIN = {
    "OOM": "on the host of Redis raise `maxmemory` in redis/redis.conf (0: no limit) and restart Redis; until then, as "
    "the user keeper: CONFIG SET maxmemory 0",
    "READONLY": "in .env set REDIS_HOST and REDIS_PORT to the master, which INFO replication of this Redis names as "
    "master_host; or set REDIS_SENTINELS, which find it (docs/ha.md)",
    "MISCONF": "on the host of Redis free space in its `dir` of redis/redis.conf; its log has the error of the disk",
    "NOREPLICAS": "start the replicas; `bringup selftest --only 1d` shows how many follow",
}
# By the flag of a server that nothing answers for: how it is started.
_START = {
    "REDIS_USE_TLS": "start it: redis-server redis/redis.conf; the log of Redis shows why it ended",
    "API_USE_TLS": "start it: bringup --env-file .env --env-file redis/api.env api",
}
_LOG_OF_REDIS = "look at the log of Redis, which `logfile` in redis/redis.conf names"
API_SERVICE = "bringup-api"  # the name in /health: other programs answer on our port, too


def redis_unreachable(target: TargetInstallation) -> Finding | None:
    """What is wrong if Redis cannot be asked at all."""
    return _other_program_at_redis(target) or _wrong_protocol(target.redis)


def api_unreachable(target: TargetInstallation) -> Finding | None:
    """What is wrong if the API cannot be asked at all."""
    return _other_program(target) or _wrong_protocol(target.api)


def _wrong_protocol(server: TlsServer) -> Finding | None:
    """Nothing answers, or one side uses TLS and the other does not; None if neither is what is wrong."""
    if server.detected.is_silent:
        return _silent(server)
    if not server.blocker:
        return None
    wanted, other = (
        (protocol_probe.Protocol.TLS, "without") if server.use_tls else (protocol_probe.Protocol.PLAIN, "with")
    )
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


def _silent(server: TlsServer) -> Finding:
    observed, address = f"{server.endpoint}: {server.detected.detail}", server.connection.address
    if probe.UNKNOWN_NAME in server.detected.detail:
        return fail(
            observed,
            expected="a name that has an address",
            cause=f"{address}: the name is misspelt, or DNS and /etc/hosts of this host do not have it",
            hint=f"in .env set {address} to a name that `getent hosts {server.endpoint.host}` finds, or to its address",
        )
    return fail(
        observed,
        expected="it answers",
        cause=f"it is not running, or runs at another place than {address}",
        hint=_START[server.flag],
    )


def _other_program_at_redis(target: TargetInstallation) -> Finding | None:
    """A server of HTTP that has the port where Redis is looked for."""
    text = target.redis.detected.detail
    if target.redis.detected.protocol is not protocol_probe.Protocol.PLAIN or not text.startswith("HTTP/"):
        return None
    is_api = target.redis.address[1] == target.api.address[1]
    return fail(
        f"{target.redis.endpoint}: a server of HTTP answers there",
        expected="Redis",
        cause="REDIS_PORT is the port of the API" if is_api else "another program has the port",
        hint="in .env set REDIS_PORT to the port of Redis, which redis/redis.conf has as `port` or `tls-port`",
    )


def redis_refuses(target: TargetInstallation, error: errors.BringupError) -> Finding:
    """Why Redis, which answers, does not let our client in."""
    if isinstance(error, errors.SettingsError):
        return _unusable_files(target.redis, error)
    if isinstance(error, errors.RedisRefusesWrites):
        return _refuses_writes(error)
    if isinstance(error, errors.PermanentError):
        cause, hint = _wrong_password(target)
        return fail(str(error), expected="our password is accepted", cause=cause, hint=hint)
    answer = ping_without_password(target)
    if answer.accepted or not target.redis.use_tls:
        return fail(str(error), expected="an answer", hint=_LOG_OF_REDIS)
    text = openssl_errors.which_expired(answer.first_line, target.settings.path_of("redis_tls_cert"))
    if found := _no_common_cipher(target.redis, text):
        return found
    cause, hint = cause_and_hint(text, target.redis.connection)
    return fail(f"{target.redis.endpoint}: {text}", expected="an answer by mutual TLS", cause=cause, hint=hint)


def _wrong_password(target: TargetInstallation) -> tuple[str, str]:
    """The cause, where it is seen, and the hint."""
    if _ROLE_FILE.exists() and _ROLE_FILE not in target.env_files and not target.settings.redis_username:
        command = f"BRINGUP_ENV_FILE=.env:{_ROLE_FILE} bringup selftest"
        return f"{_ROLE_FILE} was not read: it has the user and the password of this role", command
    return "", "in .env, or in redis/ROLE.env, set REDIS_PASSWORD and REDIS_USERNAME to those of this role"


def _refuses_writes(error: errors.RedisRefusesWrites) -> Finding:
    """Redis answers, and takes no writes: full, a replica, a disk that is full."""
    hint = next((hint for code, hint in _WRITES_AGAIN.items() if f"({code})" in str(error)), _LOG_OF_REDIS)
    return fail(str(error), expected="it takes writes", cause="nothing is wrong with the connection", hint=hint)


def _no_common_cipher(server: TlsServer, refusal: str) -> Finding | None:
    """TLS 1.2 with ciphers alone that our clients do not accept: seen by a client that accepts all."""
    if "no common cipher" not in refusal:
        return None
    if server.endpoint.handshake(probe.insecure_context(server.identity)).certificate is None:
        return None
    return fail(
        f"{server.endpoint}: it accepts none of our ciphers, but others",
        expected=f"TLS 1.3, or TLS 1.2 with one of {probe.TLS12_CIPHERS}",
        cause="it offers TLS 1.2 with old ciphers (CBC) alone: `tls-protocols`, `tls-ciphers` in redis.conf; a proxy",
        hint=f"delete these two lines in its redis.conf, or {server.hint}",
    )


def ping_without_password(target: TargetInstallation) -> probe.Answer:
    """What Redis answers to a PING without a password, over the connection that the flag asks for."""
    if not target.redis.use_tls:
        return target.redis.plain()
    try:
        return target.redis.secured(probe.verifying_context(target.redis.identity))
    except OSError as error:
        return probe.Answer(accepted=False, text=openssl_errors.unusable(error))


def api_unhealthy(target: TargetInstallation, error: errors.BringupError) -> Finding:
    """Why the API, which answers, does not report that it is healthy."""
    if isinstance(error, errors.SettingsError):
        return _unusable_files(target.api, error)
    expected = "a healthy answer"
    if not target.api.use_tls:
        return fail(str(error), expected=expected, hint="look at the log of `bringup api`")
    text = _refusal_of_api(target)
    if found := _no_common_cipher(target.api, text):
        return found
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


def api_health(target: TargetInstallation) -> probe.Answer:
    """What the API reports of itself, whatever its certificate: no secret is sent."""
    server = target.api
    if server.detected.protocol is protocol_probe.Protocol.TLS:
        return server.endpoint.secured(probe.insecure_context(server.identity), server.request, listen_s=0)
    return server.plain()


def _other_program(target: TargetInstallation) -> Finding | None:
    """Another program that has the API's port, by its name."""
    if target.api.detected.is_silent:
        return _redis_at_the_api(target)
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


def _redis_at_the_api(target: TargetInstallation) -> Finding | None:
    """Redis has the API's port: it closes every connection on which HTTP is spoken, without an answer."""
    server = target.api
    if probe.UNKNOWN_NAME in server.detected.detail or not server.endpoint.plain(probe.PING).text.startswith(_OF_REDIS):
        return None
    return fail(
        f"{server.endpoint}: Redis answers there",
        expected=API_SERVICE,
        cause="CALLBACK_API_PORT is REDIS_PORT" if target.redis.address[1] == server.address[1] else "a Redis has it",
        hint="in .env set CALLBACK_API_PORT, or CALLBACK_API_URL, to the port of `bringup api`",
    )


def _refusal_of_api(target: TargetInstallation) -> str:
    try:
        text = target.api.secured(probe.verifying_context(target.api.identity)).first_line
    except OSError as error:
        return openssl_errors.unusable(error)
    return openssl_errors.which_expired(text, target.settings.path_of("api_client_cert"))


def _unusable_files(server: TlsServer, error: errors.SettingsError) -> Finding:
    key = server.identity.key
    if key and _is_encrypted(key):
        closed, opened = shlex.quote(str(key)), shlex.quote(f"{key}.opened")
        return fail(
            f"{key} is encrypted, and nobody types its passphrase for a service",
            expected="a private key without a passphrase, of mode 0600",
            cause="another tool made the key, or encrypted it",
            hint=f"openssl pkey -in {closed} -out {opened} && chmod 600 {opened} && mv {opened} {closed}",
        )
    return fail("; ".join(error.problems), expected="usable certificate files", hint="bringup pki verify")


def _is_encrypted(key: Path) -> bool:
    """PKCS #8 names it in its first line, older forms in their second: RFC 7468 s.11, RFC 1421 s.4.6.1.1."""
    try:
        return b"ENCRYPTED" in key.read_bytes()
    except OSError:
        return False
