"""Test 1d: whether Redis survives the loss of its master: the sentinels agree, and replicas follow."""

from bringup.connections.redis_client import redis_errors
from bringup.connections.sentinel import Opinion
from bringup.errors import BringupError
from bringup.settings import Address
from selftest.check import Check, Finding, fail, info, ok, warn
from selftest.explain import unusable
from selftest.probe import PING, Answer, Endpoint, trusting
from selftest.target_installation import Subject

_START_REPLICAS = "start the replicas; of those that have just started, the sentinels know after about 10 s"
_FEWEST = 3  # of two, none can lose the other: the one that is left is no majority


def _sentinels(subject: Subject) -> Finding:
    """Every sentinel answers us alone, and all name one master with replicas."""
    if not _are_used(subject):
        return info("not used: REDIS_SENTINELS is empty")
    opinions = subject.sentinels.opinions()
    return _unguarded(subject) or _disagreement(opinions) or _replicas(subject, len(opinions))


def _unguarded(subject: Subject) -> Finding | None:
    for address in subject.settings.sentinels:
        said = _without_password(subject, address)
        if said.said.startswith("+PONG"):
            return fail(
                f"the sentinel at {_text(address)} answers without a password",
                expected="NOAUTH",
                mend="bringup redis-conf, and start the sentinel with what it writes",
            )
    return None


def _without_password(subject: Subject, address: Address) -> Answer:
    endpoint = Endpoint("Sentinel", *address, subject.wait_s)
    if not subject.settings.redis_use_tls:
        return endpoint.plain(PING)
    try:
        return endpoint.secured(trusting(subject.redis_identity), PING)
    except OSError as error:
        return Answer(accepted=False, said=unusable(error))


def _disagreement(opinions: list[Opinion]) -> Finding | None:
    problems = [f"the one at {_text(one.sentinel)} {one.problem}" for one in opinions if one.problem]
    if problems:
        return fail(
            f"of {len(opinions)} sentinels {'; '.join(problems)}",
            expected="every one of REDIS_SENTINELS names the master",
            mend="start it with sentinel.conf of `bringup redis-conf`; compare REDIS_SENTINEL_PASSWORD and its log",
        )
    named = {one.master for one in opinions}
    if len(named) > 1:
        told = "; ".join(f"{_text(one.sentinel)} names {_text(one.master)}" for one in opinions if one.master)
        return fail(told, expected="all name the same master", cause="a failover is going on, or they are cut off")
    if any(one.others < len(opinions) - 1 for one in opinions):
        return fail("not all sentinels know each other", expected=f"each knows {len(opinions) - 1} others")
    return None


def _replicas(subject: Subject, sentinels: int) -> Finding:
    try:
        with redis_errors(subject.settings):
            view = subject.sentinels.view(fresh=True)
    except BringupError as error:
        return fail(str(error), expected="a master that works", mend="look at the log of the sentinels")
    following = f"{len(view.following)} of {view.known} replicas follow the master at {_text(view.master)}"
    if not view.following:
        return fail(following, expected="one at least: without it nothing is acknowledged", mend=_START_REPLICAS)
    if len(view.following) < view.known:
        return warn(following, mend="start the other, and look at its log")
    if sentinels < _FEWEST:
        return warn(f"{following}; with {sentinels} sentinels the loss of one prevents a failover", mend="start three")
    return ok(f"{sentinels} sentinels agree; {following}")


def _text(address: Address) -> str:
    return f"{address[0]}:{address[1]}"


def _are_used(subject: Subject) -> bool:
    return bool(subject.settings.sentinels)


CHECKS = (Check("1d", "1 Redis", "Redis Sentinel and replicas", _sentinels, _are_used),)
