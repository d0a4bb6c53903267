"""The users of hosts in a running Redis: added, removed, cut off and looked at, by its user keeper."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bringup import errors, tls
from bringup.connections.redis_client import connect_redis, redis_errors, redis_servers
from bringup.settings import Address, Settings
from bringup_cli.site import enroll
from bringup_cli.site.registry import Registry
from pki.store import Store

KEEPER_FILE = Path("redis/keeper.password")  # where `bringup redis-conf` writes it
# Seconds for one answer: a revocation must be everywhere within 10 s, also where one of three hosts is silent.
_TIMEOUT_S = 2


class Keeper:
    """The user keeper, at every Redis of the site: what one learns, its replicas do not.

    Args:
        settings: of the site.
        password: of the user keeper.
    """

    def __init__(self, settings: Settings, password: str) -> None:
        files = Store(settings.pki_dir).files(enroll.CA_CLIENT)
        login: dict[str, Any] = {"redis_username": "keeper", "redis_password": SecretStr(password)}
        own = {"redis_tls_cert": files.certificate, "redis_tls_key": files.key} if files.certificate.exists() else {}
        single = {"redis_sentinels": "", "redis_timeout_s": _TIMEOUT_S}
        self._settings = settings.model_copy(update={**login, **own, **single})
        self._site = settings.model_copy(update=own)
        self._contexts = tls.ClientContexts()

    @cached_property
    def addresses(self) -> tuple[Address, ...]:
        """Every Redis; where no sentinel answers, those that are beside one, on the port of all."""
        try:
            return redis_servers(self._site, self._contexts)
        except errors.BringupError:
            hosts = [self._site.redis_host, *(host for host, _ in self._site.sentinels)]
            return tuple((host, self._site.redis_port) for host in dict.fromkeys(hosts))

    def set_users(self, address: Address, lines: Iterable[str]) -> None:
        """Add or change users, and keep them over a restart.

        Args:
            address: of the Redis.
            lines: of an ACL file.

        Raises:
            BringupError: it does not answer, or refuses.
        """
        with self._at(address) as redis:
            for line in lines:
                _, user, *rules = line.split()
                redis.execute_command("ACL SETUSER", user, "reset", *rules)
            redis.execute_command("ACL SAVE")

    def remove_users(self, address: Address, users: Iterable[str]) -> None:
        """Remove users; Redis closes their connections with them. Raises as `set_users` does."""
        with self._at(address) as redis:
            redis.execute_command("ACL DELUSER", *users)
            redis.execute_command("ACL SAVE")

    def users(self, address: Address) -> dict[str, bool]:
        """All users, and whether each is connected now. Raises as `set_users` does."""
        with self._at(address) as redis:
            found = _lines(redis)
            connected = {str(client["user"]) for client in redis.client_list()}
        return {user: user in connected for user in found}

    def follow(self, address: Address, registry: Registry) -> None:
        """Add the users of hosts that a Redis lacks, and remove those of revoked ones: it was away, or is new.

        Args:
            address: of the Redis.
            registry: the hosts of the site.

        Raises:
            BringupError: as `set_users`.
        """
        with self._at(address) as redis:
            found = _lines(redis)
        revoked = (host for host in registry.hosts.values() if host.revoked_at)
        gone = [user for host in revoked for user in host.redis_users if user in found]
        lines = [line for line in enroll.all_user_lines(registry) if not _is_known(line, found)]
        if gone:
            self.remove_users(address, gone)
        if lines:
            self.set_users(address, lines)

    def add_rights(self, address: Address, registry: Registry) -> None:
        """Give the users of hosts the rights that this version needs; nothing is taken from them.

        A version that runs beside this one keeps its rights, and what a person has added stays.

        Args:
            address: of the Redis.
            registry: the hosts of the site.

        Raises:
            BringupError: as `set_users`.
        """
        with self._at(address) as redis:
            found = _lines(redis)
            for line in enroll.all_user_lines(registry):
                _, user, *rules = line.split()
                if user in found:
                    redis.execute_command("ACL SETUSER", user, *_additions(rules, found[user].split()))
            redis.execute_command("ACL SAVE")

    def reload_tls(self, address: Address, ca: Path, cert: Path, key: Path) -> None:
        """Let a running Redis read its files again: all three in one command, for they must fit. As `set_users`.

        Args:
            address: of the Redis.
            ca, cert, key: its files.
        """
        pairs = {"tls-ca-cert-file": ca, "tls-cert-file": cert, "tls-key-file": key}
        with self._at(address) as redis:
            redis.execute_command("CONFIG SET", *(text for pair in pairs.items() for text in map(str, pair)))

    @contextmanager
    def _at(self, address: Address) -> Iterator[Any]:  # redis-py has no types for commands as text
        host, port = address
        settings = self._settings.model_copy(update={"redis_host": host, "redis_port": port})
        redis = connect_redis(settings, self._contexts, name="site")
        try:
            with redis_errors(settings):
                yield redis
        finally:
            redis.close()


def everywhere(keeper: Keeper, ask: Callable[[Address], None]) -> dict[Address, str]:
    """Ask each Redis; what went wrong, by its address. All at once: the silent ones must not delay the others."""

    def problem(address: Address) -> str:
        try:
            ask(address)
        except errors.BringupError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(len(keeper.addresses)) as threads:
        found = dict(zip(keeper.addresses, threads.map(problem, keeper.addresses), strict=True))
    return {address: why for address, why in found.items() if why}


def require_everywhere(keeper: Keeper, ask: Callable[[Address], None]) -> None:
    """As `everywhere`. Raises SettingsError: with what went wrong at each Redis."""
    failed = everywhere(keeper, ask)
    if failed:
        raise errors.SettingsError([f"Redis at {host}:{port}: {why}" for (host, port), why in failed.items()])


def set_command(address: Address, lines: Iterable[str]) -> str:
    """What a person runs on the host of a Redis that could not be reached, in the folder that it has joined into.

    Passwords are in it as SHA-256 only.
    """
    commands = [f"ACL SETUSER {line.removeprefix('user ').replace(' ', ' reset ', 1)}" for line in lines]
    return _by_hand(address, [*commands, "ACL SAVE"])


def remove_command(address: Address, users: Iterable[str]) -> str:
    """As `set_command`, to remove users."""
    return _by_hand(address, [f"ACL DELUSER {' '.join(users)}", "ACL SAVE"])


def _by_hand(address: Address, commands: list[str]) -> str:
    host, port = address
    text = "\n".join(commands)
    return (
        'REDISCLI_AUTH="$(cat redis/keeper.password)" redis-cli --user keeper --tls --cacert pki/ca/ca-cert.pem '
        "--cert pki/issued/host/*-cert.pem --key pki/issued/host/*-key.pem "
        f"-h {host} -p {port} <<'END'\n{text}\nEND"
    )


def _lines(redis: Any) -> dict[str, str]:
    lines = (line.decode() if isinstance(line, bytes) else line for line in redis.execute_command("ACL LIST"))
    return {line.split()[1]: line for line in lines}


def _is_known(line: str, found: Mapping[str, str]) -> bool:
    """Whether the user is there with this password. Rights and on or off may have been changed by a person."""
    words = line.split()
    return {word for word in words if word.startswith("#")} <= set(found.get(words[1], "").split())


def _additions(rules: Iterable[str], present: Collection[str]) -> list[str]:
    """The rules of a user that add a right. Redis refuses to add a pattern to one who may use every key."""
    return [rule for rule in rules if rule[0] in ("+&" if "~*" in present else "+&~%")]
