"""Test 7.redis.revoked: whether what a revoked certificate was used with still opens Redis, which reads no list."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bringup.connections.redis_client import redis_errors
from pki import check, ledger, names
from selftest import redis_host
from selftest.case import AT_REDIS, Case
from selftest.checks.redis_server import not_blocked
from selftest.redis_host import NotSeen
from selftest.target_installation import TargetInstallation

if TYPE_CHECKING:
    from redis import Redis

# The Redis role that the services of each certificate role log in with; all others have no user.
_REDIS_ROLE = {
    names.Role.API: "api",
    names.Role.IMAGES: "api",
    names.Role.WORKER: "worker",
    names.Role.TAILER: "tailer",
    names.Role.CONSOLE: "operator",
    names.Role.OPERATOR: "operator",
}


def _revoked(target: TargetInstallation) -> check.Finding:
    """TLS lets a revoked certificate in: what shuts it out is that its user, or its password, is no more."""
    if not target.redis.use_tls:
        return check.info("not asked: REDIS_USE_TLS=false")
    if not target.ca_store.ledger_file.exists():
        if target.settings.roles:
            return check.info("this host does not know which certificates were revoked: the CA's host checks it")
        return check.skip(
            "this host does not know which certificates were revoked",
            hint="run `bringup selftest` on the host of the CA",
        )
    revoked = list(_unexpired(target))
    if not revoked:
        return check.ok("no certificate of a client of Redis was revoked")
    users = _users(target, revoked)
    for entry, identity in revoked:
        own = f"{identity.role}-{identity.name}"
        if own in users:
            return _has_user(entry, identity, own)
    return _shared_passwords(revoked)


def _unexpired(target: TargetInstallation) -> Iterator[tuple[ledger.Entry, names.Identity]]:
    """Revoked, not at its end, and of an identity that has no good certificate now."""
    entries = [entry for entry in target.ca_store.ledger().entries if entry.not_after > target.now()]
    good = {entry.identity for entry in entries if not entry.revoked_at}
    for entry in entries:
        identity = entry.identity
        if entry.revoked_at and identity and identity.role in _REDIS_ROLE and identity not in good:
            yield entry, identity


def _users(target: TargetInstallation, revoked: list[tuple[ledger.Entry, names.Identity]]) -> set[str]:
    """Which of their users Redis has: by its list, or else asked one by one."""
    try:
        return {user.name for user in redis_host.users_in_redis(target)}
    except NotSeen:
        with redis_errors(target.settings):
            redis = target.redis_client()
            return {own for _, one in revoked if _exists(redis, own := f"{one.role}-{one.name}")}


def _exists(redis: "Redis", user: str) -> bool:
    """ACL DRYRUN knows no user that there is not. Raises what redis-py raises."""
    (answer,) = redis_host.answers(redis, [["ACL", "DRYRUN", user, "PING"]])
    if isinstance(answer, Exception) and "not found" not in str(answer):
        raise answer
    return not isinstance(answer, Exception)


def _has_user(entry: ledger.Entry, identity: names.Identity, user: str) -> check.Finding:
    return check.fail(
        f"the certificate {identity} was revoked on {entry.revoked_at:%Y-%m-%d}, and opens Redis as {user}",
        expected=f"Redis has no user {user}",
        cause="Redis reads no list of revoked certificates: only its user can be taken away",
        hint=f"bringup site revoke {identity.name}; by hand, as keeper: ACL DELUSER {user}, then ACL SAVE",
    )


def _shared_passwords(revoked: list[tuple[ledger.Entry, names.Identity]]) -> check.Finding:
    """A holder without a user of its own used the one of its role: that must have another password since."""
    unknown = []
    for entry, identity in revoked:
        role = _REDIS_ROLE[identity.role]
        path = redis_host.FOLDER / f"{role}.env"
        if not path.exists():
            unknown.append(f"{identity} ({path})")
        elif entry.revoked_at and datetime.fromtimestamp(path.stat().st_mtime, UTC) < entry.revoked_at:
            return _old_password(entry, identity, role)
    if unknown:
        return check.skip(
            f"whether the password of a shared user was changed since is not seen here: {', '.join(unknown)}",
            hint=redis_host.ELSEWHERE,
        )
    return check.ok(f"of {len(revoked)} revoked none has a user in Redis, or a password that is valid")


def _old_password(entry: ledger.Entry, identity: names.Identity, role: str) -> check.Finding:
    return check.fail(
        f"the certificate {identity} was revoked on {entry.revoked_at:%Y-%m-%d}, and opens Redis as {role}, whose "
        "password is older",
        expected=f"another password for the user {role}",
        cause="Redis reads no list of revoked certificates, and this holder had no user of its own",
        hint=f"on the host of Redis: rm redis/{role}.env, then `bringup redis-conf --force`, then restart Redis; "
        f"give the services that remain the new redis/{role}.env",
    )


# Proves for each revoked certificate that it opens Redis no more. Who was revoked is known on the host of the CA; where
# no setting names another host, the CA is here, too.
CHECKS = (
    Case(
        "7.redis.revoked",
        "A revoked certificate no longer opens Redis",
        not_blocked(_revoked),
        group="7 Refusals",
        needs=("1a",),
        roles=AT_REDIS | {"ca"},
    ),
)
