"""The two servers that must speak TLS, and how each is asked."""

from collections.abc import Callable
from dataclasses import dataclass

from selftest.probe import PING, Endpoint, Identity
from selftest.target_installation import Subject


@dataclass(frozen=True)
class Target:
    """One TLS endpoint and how we are known there.

    Args:
        promised: whether its TLS flag is on.
        hindrance: why it cannot be asked anything; empty if it can.
        see: where its root causes are told.
        mend: how it becomes what the settings say.
    """

    name: str
    endpoint: Callable[[Subject], Endpoint]
    identity: Callable[[Subject], Identity]
    request: Callable[[Subject], bytes]
    promised: Callable[[Subject], bool]
    hindrance: Callable[[Subject], str]
    see: str
    mend: str


REDIS = Target(
    "Redis",
    endpoint=lambda subject: subject.redis,
    identity=lambda subject: subject.redis_identity,
    request=lambda _subject: PING,
    promised=lambda subject: subject.settings.redis_use_tls,
    hindrance=lambda subject: subject.redis_hindrance,
    see="see 1a and 2b",
    mend="bringup redis-conf --force, then start Redis with what it writes",
)
API = Target(
    "The API",
    endpoint=lambda subject: subject.api,
    identity=lambda subject: subject.api_identity,
    request=lambda subject: subject.health_request,
    promised=lambda subject: subject.settings.api_use_tls,
    hindrance=lambda subject: subject.api_hindrance,
    see="see 3b",
    mend="start `bringup api` with these settings",
)
