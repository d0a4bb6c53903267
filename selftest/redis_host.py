"""What is seen on the host of Redis alone: its configuration file, and the users that the running server has.

A role of ours may read neither; the user keeper may list users, and its password lies on this host.
"""

import hashlib
import shlex
import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from bringup import errors, tls
from bringup.connections.redis_client import connect_redis, redis_errors
from selftest.probe import Answer
from selftest.target_installation import TargetInstallation

if TYPE_CHECKING:
    from redis import Redis

FOLDER = Path("redis")  # where `bringup redis-conf` writes, in the folder in which it is run
STANDARD_FOLDER = Path("/etc/bringup/redis")  # where `bringup site init` and `join` put it, with units
ACL_FILE, KEEPER_FILE = "users.acl", "keeper.password"
ELSEWHERE = "run `bringup selftest` on the host of Redis, as a user who may read what `bringup redis-conf` has written"
Configuration = Mapping[str, Sequence[str]]


class NotSeen(errors.BringupError):
    """It cannot be seen from here; the message is the reason."""


@dataclass(frozen=True)
class User:
    """A user of Redis, as a line of ACL LIST or of an ACL file has it.

    Args:
        digests: SHA-256 of each of its passwords.
    """

    name: str
    is_on: bool
    needs_no_password: bool
    digests: frozenset[str]

    @classmethod
    def of(cls, line: str) -> "User":
        """The user of one line."""
        _, name, *rules = line.split()
        return cls(name, "on" in rules, "nopass" in rules, frozenset(filter(None, map(_digest, rules))))


def _digest(rule: str) -> str:
    if rule.startswith(">"):
        return hashlib.sha256(rule[1:].encode()).hexdigest()
    return rule[1:] if rule.startswith("#") else ""


def takes_our_password(target: TargetInstallation, user: str) -> bool:
    """Whether a user of Redis can be logged in as with our password.

    Raises:
        NotSeen: Redis does not answer.
        SettingsError: our certificate files cannot be used.
    """
    secret = target.settings.redis_password
    if secret is None:
        return False
    answer = _ask(target, ["AUTH", user, secret.get_secret_value()])
    if not answer.text.startswith(("+", "-")):
        raise NotSeen(f"{target.redis.endpoint}: {answer.first_line}")
    return answer.text.startswith("+OK")


def _ask(target: TargetInstallation, words: list[str]) -> Answer:
    """The answer on a connection of its own, by TLS only to a server of Redis: the password is in the words."""
    parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
    request = f"*{len(words)}\r\n{''.join(parts)}".encode()
    if not target.redis.use_tls:
        return target.redis.endpoint.plain(request)
    context = tls.for_redis(target.settings, target.contexts)
    return target.redis.endpoint.secured(context, request, listen_s=0)


def users_in_file(target: TargetInstallation) -> list[User]:
    """The users that Redis has after its next start. Raises as `configuration`."""
    return _users(_read(_folder(target) / ACL_FILE).splitlines())


def users_in_redis(target: TargetInstallation) -> list[User]:
    """The users that the running Redis has, as its user keeper sees them. Raises as `configuration`."""
    with _as_user(target, _keeper(_folder(target) / KEEPER_FILE)) as redis:
        return _users(map(_text, redis.acl_list()))


def _keeper(password_file: Path) -> dict[str, object]:
    return {"redis_username": "keeper", "redis_password": SecretStr(_read(password_file).strip())}


@contextmanager
def _as_user(target: TargetInstallation, login: Mapping[str, object]) -> Iterator["Redis"]:
    # With Redis Sentinel the master itself: a client of the sentinels asks for its role, which keeper may not.
    host, port = target.redis.address
    single = {"redis_host": host, "redis_port": port, "redis_sentinels": ""}
    settings = target.short_timeouts.model_copy(update={**login, **single})
    redis = connect_redis(settings, target.contexts, name="selftest")
    try:
        with redis_errors(settings):
            yield redis
    finally:
        redis.close()


def answers(redis: "Redis", commands: list[list[str]]) -> list[Any]:
    """What Redis answers to each, in one round trip; an error is an answer. Raises what redis-py raises."""
    pipeline: Any = redis.pipeline(transaction=False)
    for words in commands:
        pipeline.execute_command(*words)
    found: list[Any] = pipeline.execute(raise_on_error=False)
    return found


def _folder(target: TargetInstallation) -> Path:
    """Where `bringup redis-conf` has written: below this folder, or where the running Redis has its ACL file."""
    if (_own_folder() / KEEPER_FILE).exists():
        return _own_folder()
    named = configuration(target).get("aclfile")
    return Path(named[-1]).parent if named else FOLDER


def _own_folder() -> Path:
    return FOLDER if (FOLDER / KEEPER_FILE).exists() or not STANDARD_FOLDER.exists() else STANDARD_FOLDER


def _users(lines: Iterable[str]) -> list[User]:
    return [User.of(line) for line in lines if line.strip().startswith("user ")]


def _text(line: bytes | str) -> str:
    return line.decode() if isinstance(line, bytes) else line


def configuration(target: TargetInstallation) -> Configuration:
    """The configuration file of the running Redis: the values of each name, in their order.

    Raises:
        NotSeen: Redis is on another host, was started without a file, or this user may not read it.
        BringupError: Redis does not answer, or refuses us.
    """
    host = target.redis.address[0]
    if not is_this_host(host):
        raise NotSeen(f"Redis is on another host, {host}")
    path = str(_server_info(target).get("config_file", ""))
    if not path:
        raise NotSeen("Redis was started without a configuration file")
    return parsed(_read(Path(path)))


def _server_info(target: TargetInstallation) -> dict[str, Any]:
    """What Redis reports of itself; a host of Redis alone has no user but keeper."""
    if target.settings.redis_password is None:
        with _as_user(target, _keeper(_own_folder() / KEEPER_FILE)) as redis:
            return redis.info("server")
    with redis_errors(target.settings):
        return target.redis_client().info("server")


def parsed(text: str) -> Configuration:
    """The values of each name in the text of ``redis.conf``."""
    found = defaultdict[str, list[str]](list)
    for line in text.splitlines():
        name, _, value = line.strip().partition(" ")
        if value and not name.startswith("#"):
            with suppress(ValueError):  # a quote that is not closed: Redis itself would not have started with it
                found[name.lower()] += shlex.split(value)
    return found


def is_this_host(address: str) -> bool:
    """Whether an address or name is one of this host's: only those can be listened on."""
    with suppress(OSError):
        for family, kind, protocol, _, where in socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM):
            with suppress(OSError), socket.socket(family, kind, protocol) as probe:
                probe.bind(where)
                return True
    return False


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise NotSeen(f"{path} cannot be read here ({reason})") from None
