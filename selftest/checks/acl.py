"""Test 1c: whether Redis will still hold at its next start what it holds now."""

from pathlib import Path

from bringup import keys
from bringup.connections.redis_client import redis_errors
from bringup.errors import BringupError, RedisRefused
from bringup.redis_acl import DEFAULT_USER
from selftest.check import Check, Finding, fail, ok, skip, warn
from selftest.checks.redis import always, connected
from selftest.target_installation import Subject

ACL_FILE = Path("redis/users.acl")  # where `bringup redis-conf` writes it
# What stands in our transactions, on keys as ours: EXEC checks each of them again when the file is replayed.
_REPLAYED = (
    ("exec",),
    ("hset", keys.run("x"), "state", "x"),
    ("set", keys.CHANGE_NUMBER, "1"),
    ("xadd", keys.events("x"), "*", "entry", "x"),
    ("rpush", keys.rq_queue("boots"), "x"),
    ("zadd", keys.rq_scheduled("boots"), "1", "x"),
)
_EXPECTED = "the default user may run every transaction of the append-only file, which is replayed as this user"
_CAUSE = "an ACL file of an older `bringup redis-conf`: the next start of Redis leaves out all transactions"
_IN_SED = DEFAULT_USER.replace("&", r"\&")
_HINT = (
    f"before Redis restarts: sed -i 's/^user default .*/{_IN_SED}/' {ACL_FILE}"
    f"; then, as a user that may: ACL SETUSER {DEFAULT_USER.removeprefix('user ')}"
)


def _replays(subject: Subject) -> Finding:
    """The default user may run what the append-only file holds; nobody may log in as it (1a)."""
    try:
        with redis_errors(subject.settings):
            redis = connected(subject)
            refused = [command[0] for command in _REPLAYED if _is_refused(redis.acl_dryrun("default", *command))]
    except RedisRefused as error:
        return _by_file() if "dryrun" in str(error) else skip(str(error), mend="see 1a")
    except BringupError as error:
        return skip(f"Redis was not asked: {error}", mend="see 1a")
    if refused:
        return _fail(f"the default user may not run {', '.join(refused)}")
    return ok("at its next start Redis replays everything: the default user may, and nobody is it")


def _is_refused(answer: bytes | str) -> bool:
    return answer not in {b"OK", "OK"}


def _by_file() -> Finding:
    """Our user may not ask: its rights are those of an older ACL file, or somebody's own."""
    try:
        lines = ACL_FILE.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return _fail("our Redis user may not ask what the default user may do, and redis/users.acl is not on this host")
    default = [line for line in lines if line.startswith("user default ")]
    if default == [DEFAULT_USER]:
        hint = "bringup redis-conf --force gives our users the right to ask; restart Redis then"
        return warn(f"{ACL_FILE} is right; the running Redis cannot be asked", mend=hint)
    return _fail(f"{ACL_FILE} has: {'; '.join(default) or 'no default user'}")


def _fail(observed: str) -> Finding:
    return fail(observed, expected=_EXPECTED, cause=_CAUSE, mend=_HINT)


CHECKS = (
    Check(
        "1c",
        "1 Redis",
        "Redis replays its transactions at the next start",
        _replays,
        always,  # what was not asked may be lost at the next start: never a pass
        needs=(lambda subject: subject.redis_hindrance,),
    ),
)
