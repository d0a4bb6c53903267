"""The users of hosts in a running Redis: added, removed, cut off and looked at, by its user keeper."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bringup import errors, tls
from bringup.connections.redis_client import connect_redis, redis_errors
from bringup.settings import Address, Settings
from bringup_cli.site.enroll import CA_CLIENT
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
        files = Store(settings.pki_dir).files(CA_CLIENT)
        login: dict[str, Any] = {"redis_username": "keeper", "redis_password": SecretStr(password)}
        own = {"redis_tls_cert": files.certificate, "redis_tls_key": files.key} if files.certificate.exists() else {}
        single = {"redis_sentinels": "", "redis_timeout_s": _TIMEOUT_S}
        self._settings = settings.model_copy(update={**login, **own, **single})
        self._contexts = tls.ClientContexts()
        self.addresses = _addresses(settings)

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
            lines = [line.decode() if isinstance(line, bytes) else line for line in redis.execute_command("ACL LIST")]
            connected = {str(client["user"]) for client in redis.client_list()}
        return {line.split()[1]: line.split()[1] in connected for line in lines}

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
    """Ask each Redis; what went wrong, by its address. One that is silent does not keep the others from it."""

    failed = {}
    for address in keeper.addresses:
        try:
            ask(address)
        except errors.BringupError as error:
            failed[address] = str(error)
    return failed


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


def _addresses(settings: Settings) -> tuple[Address, ...]:
    """Every Redis: with Sentinel one beside each sentinel, on the port of all."""
    hosts = [settings.redis_host, *(host for host, _ in settings.sentinels)]
    return tuple((host, settings.redis_port) for host in dict.fromkeys(hosts))
