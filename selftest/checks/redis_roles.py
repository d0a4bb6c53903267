"""Test 1, h and i: whether our Redis user has the rights of its role and no more, and its password opens no other."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from bringup import errors, keys, redis_acl
from bringup.connections.redis_client import redis_errors
from pki.check import Finding, fail, info, ok, skip, warn
from selftest import redis_host
from selftest.case import AT_REDIS, REDIS, Case, redis_tls
from selftest.checks.redis_server import not_blocked
from selftest.redis_commands import with_arguments
from selftest.redis_host import NotSeen
from selftest.target_installation import TargetInstallation

if TYPE_CHECKING:
    from redis import Redis

_GROUP = "1 Redis"
# A key of each kind that we have, and one of another program: what a role may read and write is asked for each.
_KEYS = (
    keys.run("x"),
    keys.device("x"),
    keys.CHANGE_NUMBER,
    keys.BARRIER,
    keys.TAILERS,
    keys.EXECUTIONS,
    keys.QUARANTINE,
    f"{keys.SELFTEST}x",
    keys.rq_queue("leases"),
    keys.rq_queue("boots"),
    keys.rq_scheduled("boots"),
    keys.rq_job("x"),
    keys.RQ_QUEUES,
    "another-key",
)
_DENIED_COMMAND = "permissions to run the"  # of ACL DRYRUN; a key or channel is denied in other words
_NAMES = 6  # of commands or keys in one message
_RENEW = (
    "on the host of Redis: `bringup redis-conf --force`, then restart Redis with what it writes "
    "(docs/REDIS_SECURITY.md shows how to do it without a restart)"
)


def _rights(target: TargetInstallation) -> Finding:
    """Our user may run every command that its service needs, and no other; the same for keys."""
    user = target.settings.redis_username
    role = redis_acl.rights_of(user or "")
    if not user or not role:
        return _no_role(target, user)
    if wrong := _of_another_service(target, role):
        return wrong
    with redis_errors(target.settings):
        problems = list(_problems(target.redis_client(), user, redis_acl.ROLES[role]))
    if not problems:
        return ok(f"{user} may run what a {role} needs, and nothing else")
    cause = "users.acl is of an older version, or was changed by hand"
    expected = f"the rights of a {role} as `bringup redis-conf` writes them"
    return fail(f"{user} {'; '.join(problems)}", expected=expected, cause=cause, hint=_RENEW)


def _no_role(target: TargetInstallation, user: str | None) -> Finding:
    observed = f"we log in as {user or 'the default user'}, which is no role of ours"
    hint = "set REDIS_USERNAME and REDIS_PASSWORD as redis/ROLE.env of `bringup redis-conf` has them"
    return skip(observed, hint=hint) if target.redis.use_tls else warn(f"{observed}: in development only", hint=hint)


def _of_another_service(target: TargetInstallation, role: str) -> Finding | None:
    wanted = {redis_acl.RIGHTS[one] for one in target.settings.roles if one in redis_acl.RIGHTS}
    if not wanted or role in wanted:
        return None
    return fail(
        f"this host is {', '.join(sorted(target.settings.roles))}, and logs in at Redis as a {role}",
        expected=f"a user of role {' or '.join(sorted(wanted))}",
        hint="set REDIS_USERNAME and REDIS_PASSWORD to those of its own role",
    )


def _problems(redis: "Redis", user: str, role: redis_acl.RedisRole) -> Iterable[str]:
    needed, allowed = set(role.commands.split()), _allowed_commands(redis, user)
    yield from _listed("may not run", needed - allowed)
    yield from _listed("may also run", allowed - needed)
    for verb, command in (("read", "get"), ("write", "del")):
        may = _allowed(redis, user, {key: [command, key] for key in _KEYS})
        must = {key for key in _KEYS if _covers(role, key, write=command == "del")}
        yield from _listed(f"may not {verb}", must - may)
        yield from _listed(f"may also {verb}", may - must)


def _listed(verb: str, names: Iterable[str]) -> Iterable[str]:
    found = sorted(names)
    if found:
        more = f" and {len(found) - _NAMES} more" if len(found) > _NAMES else ""
        yield f"{verb} {', '.join(name.replace('|', ' ') for name in found[:_NAMES])}{more}"


def _covers(role: redis_acl.RedisRole, key: str, *, write: bool) -> bool:
    """Whether a pattern of the role has the key: ``~`` for all, ``%R~`` for reading."""
    patterns = [pattern.partition("~")[::2] for pattern in (*role.keys, f"~{keys.SELFTEST}*")]
    return any(fnmatchcase(key, glob) for kind, glob in patterns if not (write and kind == "%R"))


def _allowed_commands(redis: "Redis", user: str) -> set[str]:
    return {name for name, text in _dryrun(redis, user, with_arguments()).items() if _DENIED_COMMAND not in text}


def _allowed(redis: "Redis", user: str, commands: Mapping[str, list[str]]) -> set[str]:
    return {name for name, text in _dryrun(redis, user, commands).items() if text == "OK"}


def _dryrun(redis: "Redis", user: str, commands: Mapping[str, list[str]]) -> dict[str, str]:
    """What Redis answers to each; nothing for those that it does not know. Raises what redis-py raises."""
    answers = redis_host.answers(redis, [["ACL", "DRYRUN", user, *words] for words in commands.values()])
    for answer in answers:
        if isinstance(answer, Exception) and "not found" not in str(answer):
            raise answer
    pairs = zip(commands, answers, strict=True)
    return {name: _text(answer) for name, answer in pairs if not isinstance(answer, Exception)}


def _text(answer: bytes | str) -> str:
    return answer.decode() if isinstance(answer, bytes) else answer


def _own_password(target: TargetInstallation) -> Finding:
    """What is stolen from one service opens no other: each user of Redis has a password of its own."""
    if target.settings.redis_password is None:
        return info("this host has no password of Redis")
    own = target.settings.redis_username or "default"
    if not redis_host.takes_our_password(target, own):  # what opens nothing proves nothing
        return skip(f"our password does not open our own user {own}", hint="see 1a")
    others = {*redis_acl.ROLES, *redis_acl.REPLICATION_ROLES, "keeper"} - {own}
    opened = [user for user in sorted(others) if redis_host.takes_our_password(target, user)]
    try:
        shared = _sharing(redis_host.users_in_redis(target))
        beyond = "no two users of Redis have the same"
    except (NotSeen, errors.RedisRefused):
        shared, beyond = [], "whether two others have the same shows on the host of Redis"
    if not opened and not shared:
        return ok(f"our password opens no other role; {beyond}")
    observed = f"our password opens {', '.join(opened)}, too" if opened else f"{'; '.join(shared)} have one password"
    return _shared_password(target, observed)


def _shared_password(target: TargetInstallation, observed: str) -> Finding:
    hint = (
        "give each service its redis/ROLE.env, then on the host of Redis: `bringup redis-conf --force`, then restart "
        "Redis with what it writes (docs/REDIS_SECURITY.md, from one password to one a role)"
    )
    if not target.any_tls and target.settings.environment == "development":
        return warn(f"{observed}: in development only", hint=hint)
    cause = "users.acl is from an upgrade with --accept-shared-password, or was changed by hand"
    return fail(observed, expected="a password of its own for each user", cause=cause, hint=hint)


def _sharing(users: Iterable[redis_host.User]) -> list[str]:
    """Those that have a password in common; 1g shows the default user."""
    by_digest: dict[str, list[str]] = {}
    for user in users:
        for digest in user.digests if user.is_on and user.name != "default" else ():
            by_digest.setdefault(digest, []).append(user.name)
    return [" and ".join(sorted(names)) for names in by_digest.values() if len(names) > 1]


# Test 1h proves, by asking Redis for every command that there is, that our user may do what its service does and
# nothing else; 1i that what is stolen from this host opens no other role.
CHECKS = (
    Case(
        "1h",
        "Our Redis user has the rights of its role, and no more",
        not_blocked(_rights),
        group=_GROUP,
        required_by=redis_tls,
        servers=(REDIS,),
        needs=("1a",),
        roles=AT_REDIS,
    ),
    Case(
        "1i",
        "Each Redis user has a password of its own",
        not_blocked(_own_password),
        group=_GROUP,
        required_by=redis_tls,
        servers=(REDIS,),
        needs=("1a",),
        roles=AT_REDIS,
    ),
)
