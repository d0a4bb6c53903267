"""Whether there is a second door to Redis, without TLS, beside the one that we use."""

from bringup.connections.redis_client import redis_errors
from bringup.errors import BringupError
from selftest.check import Finding, fail, ok, skip, warn
from selftest.checks.redis import connected
from selftest.probe import PING, Endpoint
from selftest.refusals import NOT_ASKED
from selftest.target_installation import Subject

_USUAL = {6379, 6380}
_WAIT_S = 0.5


def plain_door(subject: Subject) -> Finding:
    """Ask Redis which port it has besides, then try that one and those that people use."""
    settings = subject.settings
    if not settings.redis_use_tls:
        return NOT_ASKED
    try:
        with redis_errors(settings):
            told = int(connected(subject).info("server")["tcp_port"])
    except BringupError as error:
        return skip(f"inconclusive: Redis does not tell its ports ({error})", mend="see 1a and 2b")
    if told != subject.redis.port and _answers(subject, told):
        return fail(
            f"Redis answers in plain text on port {told}",
            expected="no plain-text port",
            cause="`port` is not 0 in its configuration",
            mend="bringup redis-conf writes `port 0`; until then: CONFIG SET port 0",
        )
    return _others(subject, sorted(_USUAL | {subject.redis.port - 1} - {subject.redis.port, told}))


def _others(subject: Subject, ports: list[int]) -> Finding:
    """A stranger's Redis is no door to ours, but somebody should know of it."""
    found = [port for port in ports if _answers(subject, port)]
    if found:
        return warn(f"ours has no plain-text port, but another Redis answers on {', '.join(map(str, found))}")
    return ok(f"Redis says that it has none; nor does any answer on {', '.join(map(str, ports))}")


def _answers(subject: Subject, port: int) -> bool:
    """Redis speaks RESP: its answers begin with ``+`` or ``-``."""
    return Endpoint("Redis", subject.redis.host, port, _WAIT_S).plain(PING).said.startswith(("+", "-"))
