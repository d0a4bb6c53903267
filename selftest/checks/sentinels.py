"""Test 1d: whether Redis survives the loss of its master: the sentinels agree, and replicas follow."""

from bringup import errors, openssl_errors
from bringup.connections import redis_client, sentinel
from bringup.settings import Address
from pki.check import Finding, fail, info, ok, warn
from selftest.case import AT_REDIS, Case
from selftest.probe import PING, Answer, Endpoint, verifying_context
from selftest.target_installation import TargetInstallation

# Fewer sentinels cannot lose one: of two, the one that is left is no majority, and elects no master.
# Source: https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/
_FEWEST = 3


def _sentinels(target: TargetInstallation) -> Finding:
    """Every sentinel answers us alone, and all name one master with replicas."""
    if not _are_used(target):
        return info("not used: REDIS_SENTINELS is empty")
    opinions = target.sentinels.opinions()
    return _unguarded(target) or _disagreement(opinions) or _replicas(target, len(opinions))


def _unguarded(target: TargetInstallation) -> Finding | None:
    for address in target.settings.sentinels:
        if _without_password(target, address).text.startswith("+PONG"):
            return fail(
                f"the sentinel at {_text(address)} answers without a password",
                expected="NOAUTH",
                hint="bringup redis-conf, and start the sentinel with what it writes",
            )
    return None


def _without_password(target: TargetInstallation, address: Address) -> Answer:
    endpoint = Endpoint("Sentinel", *address, target.wait_s)
    if not target.settings.redis_use_tls:
        return endpoint.plain(PING)
    try:
        return endpoint.secured(verifying_context(target.redis.identity), PING)
    except OSError as error:
        return Answer(accepted=False, text=openssl_errors.unusable(error))


def _disagreement(opinions: list[sentinel.Opinion]) -> Finding | None:
    problems = [f"the one at {_text(one.sentinel)} {one.problem}" for one in opinions if one.problem]
    if problems:
        return fail(
            f"of {len(opinions)} sentinels {'; '.join(problems)}",
            expected="every one of REDIS_SENTINELS names the master",
            hint="start it with sentinel.conf of `bringup redis-conf`; compare REDIS_SENTINEL_PASSWORD and its log",
        )
    named = {one.master for one in opinions}
    if len(named) > 1:
        names = "; ".join(f"{_text(one.sentinel)} names {_text(one.master)}" for one in opinions if one.master)
        cause, hint = "a failover is going on, or they are cut off", "run this again; then look at their logs"
        return fail(names, expected="all name the same master", cause=cause, hint=hint)
    if any(one.others < len(opinions) - 1 for one in opinions):
        expected = f"each knows {len(opinions) - 1} others"
        return fail("not all sentinels know each other", expected=expected, hint="look at the logs of the sentinels")
    return None


def _replicas(target: TargetInstallation, sentinels: int) -> Finding:
    try:
        with redis_client.redis_errors(target.settings):
            view = target.sentinels.view(fresh=True)
    except errors.BringupError as error:
        return fail(str(error), expected="a master that works", hint="look at the log of the sentinels")
    following = f"{len(view.following)} of {view.known} replicas follow the master at {_text(view.master)}"
    if not view.following:
        hint = "start the replicas; the sentinels know a replica about 10 s after its start"
        return fail(following, expected="one at least: without it nothing is acknowledged", hint=hint)
    if len(view.following) < view.known:
        return warn(following, hint="start the other, and look at its log")
    if sentinels < _FEWEST:
        return warn(f"{following}; with {sentinels} sentinels the loss of one prevents a failover", hint="start three")
    return ok(f"{sentinels} sentinels agree; {following}")


def _text(address: Address) -> str:
    return f"{address[0]}:{address[1]}"


def _are_used(target: TargetInstallation) -> str:
    return "REDIS_SENTINELS names them" if target.settings.sentinels else ""


# Test 1d proves that a failover would succeed, and that nobody else can cause one: each sentinel requires its password,
# all know each other and name one master, and replicas follow it.
CHECKS = (
    Case("1d", "Redis Sentinel and replicas", _sentinels, group="1 Redis", required_by=_are_used, roles=AT_REDIS),
)
