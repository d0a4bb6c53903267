"""Redis Sentinel: where the master is, which replicas follow it, and connections that never stay at a former master.

Source: https://redis.io/docs/latest/develop/reference/sentinel-clients/
"""

import time
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool, SentinelManagedConnection

from bringup import tls
from bringup.connections.redis_errors import SentinelRefused
from bringup.connections.redis_transport import PlainConnection, TlsConnection, TlsPool, login, options
from bringup.settings import Address, Settings

# A sentinel answers within milliseconds. One whose host is gone must not hold up the question to the next one.
_ANSWER_WITHIN_S = 1.0
_SILENT = "does not answer"
_REFUSED = "refuses REDIS_SENTINEL_PASSWORD"
_VIEW_KEPT_S = 1.0  # how old our picture of the replicas may be; a failover takes several seconds at least


@dataclass(frozen=True)
class View:
    """The installation as a sentinel sees it.

    Args:
        master: where it is.
        following: replicas that the sentinel reaches and that follow the master.
        silent: replicas that do not answer it; it does not make one of them the master.
        known: how many replicas it has ever heard of.
    """

    master: Address
    following: frozenset[Address]
    silent: frozenset[Address]
    known: int
    seen_at: float = field(default_factory=time.monotonic, compare=False)

    @property
    def is_old(self) -> bool:
        """Whether it is time to look again."""
        return time.monotonic() - self.seen_at > _VIEW_KEPT_S


class NoSentinelAnswers(MasterNotFoundError):
    """Not one of them."""


class _Manager(Sentinel):
    """The sentinels, asked in turn. redis-py's own swaps them in its list, and two threads at once can lose one."""

    preferred = 0  # index of the one that has helped last

    def discover_master(self, service_name: str) -> Address:
        """The master. Raises MasterNotFoundError, or SentinelRefused when nothing but our password is wrong."""
        reasons: dict[str, str] = {}
        first, count = self.preferred, len(self.sentinels)
        for number in [(first + step) % count for step in range(count)]:
            sentinel = self.sentinels[number]
            reason, master = self._ask(sentinel, service_name)
            if master:
                self.preferred = number
                return master
            where = sentinel.connection_pool.connection_kwargs
            reasons[f"{where['host']}:{where['port']}"] = reason
        raise _no_master(reasons)

    def _ask(self, sentinel: "redis.Redis", name: str) -> tuple[str, Address | None]:
        try:
            masters = cast("dict[str, dict[str, Any]]", sentinel.sentinel_masters())
        except redis.AuthenticationError:
            return _REFUSED, None
        except (redis.ConnectionError, redis.TimeoutError):
            return _SILENT, None
        if name not in masters:
            return "knows no master of this name (REDIS_SENTINEL_NAME)", None
        if not self.check_master_state(masters[name], name):  # type: ignore[no-untyped-call]
            return "sees no master that works", None
        return "", _address(masters[name])


def _no_master(reasons: dict[str, str]) -> redis.ConnectionError:
    if set(reasons.values()) == {_REFUSED}:
        return SentinelRefused("the sentinels refuse REDIS_SENTINEL_PASSWORD")
    kind = NoSentinelAnswers if set(reasons.values()) == {_SILENT} else MasterNotFoundError
    return kind("; ".join(f"the sentinel at {where} {reason}" for where, reason in reasons.items()))


class Sentinels:
    """The sentinels of ``settings``, asked over the same transport as Redis itself."""

    def __init__(self, settings: Settings, contexts: tls.ClientContexts, *, name: str) -> None:
        self.name = settings.redis_sentinel_name
        self.manager = _Manager([])  # type: ignore[no-untyped-call]
        # Given to it ready-made: it would make clients that trust every public CA.
        self.manager.sentinels = [_client(settings, contexts, one, name) for one in settings.sentinels]
        self._looking = Lock()
        self._view: View | None = None

    def view(self, *, fresh: bool = False) -> View:
        """What a sentinel sees: not older than a second, or if none answers what one has seen last.

        Without an answer the old view only makes us ask more replicas than there are: nothing is acknowledged falsely.

        Args:
            fresh: ask now.

        Raises:
            redis.ConnectionError: no sentinel knows a master that works.
        """
        view = self._view
        if view and not fresh and (not view.is_old or self._looking.locked()):
            return view
        with self._looking:
            try:
                self._view = self._look()
            except NoSentinelAnswers:
                if not view or fresh:
                    raise
                self._view = view
        return self._view

    def _look(self) -> View:
        self.manager.discover_master(self.name)
        asked = self.manager.sentinels[self.manager.preferred]
        master = cast("dict[str, Any]", asked.sentinel_master(self.name))
        replicas = asked.sentinel_slaves(self.name)
        if "failover_in_progress" in master["flags"]:
            raise MasterNotFoundError("another server is being made the master")
        silent = [one for one in replicas if one["is_sdown"]]
        following = [one for one in replicas if one not in silent and one["master-link-status"] == "ok"]
        return View(
            _address(master), frozenset(map(_address, following)), frozenset(map(_address, silent)), len(replicas)
        )


class _AtTheMaster(SentinelManagedConnection):
    """A connection to whatever server is the master when it is opened, and that ends when this one is so no more.

    Sentinel closes the connections of a master that it demotes; this sees to those that it could not close.
    """

    def connect(self) -> None:
        """Ask the sentinels and connect, once: who has a command to send tries again with its next connection."""
        self._connect_retry()  # type: ignore[no-untyped-call]

    def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """Log in, and make sure that this is a master: a sentinel may not know yet what the others have decided."""
        super().on_connect_check_health(check_health)
        self.send_command("ROLE", check_health=False)  # type: ignore[no-untyped-call]
        role = cast("list[Any]", self.read_response())[0]
        if role not in {b"master", "master"}:
            raise redis.ConnectionError(f"{self.host}:{self.port} was named as the master and is none")

    def read_response(self, disable_decoding: Any = False, **kwargs: Any) -> Any:  # noqa: FBT002 - redis-py's signature
        """As any other connection, closed after an error: redis-py's own leaves the answer to whoever comes next."""
        try:
            return super().read_response(disable_decoding, **({"disconnect_on_error": True} | kwargs))
        except redis.ResponseError as error:
            if error.status_code == "NOREPLICAS":  # so speaks a master whose replicas follow another one, until it does
                self.mark_for_reconnect()  # type: ignore[no-untyped-call]
            raise


class _PlainAtTheMaster(_AtTheMaster, PlainConnection):
    """Plain text."""


class _TlsAtTheMaster(_AtTheMaster, TlsConnection):
    """Mutual TLS; the name that is checked is the one that the sentinel gave."""


class _TlsMasterPool(TlsPool, SentinelConnectionPool):
    """Ends connections that were made with replaced certificate files, too."""


def master_pool(
    settings: Settings, contexts: tls.ClientContexts, sentinels: Sentinels, *, name: str
) -> SentinelConnectionPool:
    """Connections to the master. One that is given back after the master has changed is closed by redis-py."""
    pool_class = _TlsMasterPool if settings.redis_use_tls else SentinelConnectionPool
    made: SentinelConnectionPool = pool_class(  # type: ignore[no-untyped-call]
        sentinels.name,
        sentinels.manager,
        connection_class=_TlsAtTheMaster if settings.redis_use_tls else _PlainAtTheMaster,
        **options(settings, contexts, name=name, timeout_s=settings.redis_timeout_s),
        **login(settings),
    )
    return made


def _client(settings: Settings, contexts: tls.ClientContexts, address: Address, name: str) -> "redis.Redis":
    """A client for one sentinel. It tries once: the next one is asked instead."""
    password = settings.redis_sentinel_password
    made = options(settings, contexts, name=name, timeout_s=min(_ANSWER_WITHIN_S, settings.redis_timeout_s))
    pool_class = TlsPool if settings.redis_use_tls else redis.ConnectionPool
    pool = pool_class(
        connection_class=TlsConnection if settings.redis_use_tls else PlainConnection,
        host=address[0],
        port=address[1],
        password=password.get_secret_value() if password else None,
        **made | {"retry": Retry(NoBackoff(), 0)},
    )
    return redis.Redis(connection_pool=pool)


def _address(state: dict[str, Any]) -> Address:
    return state["ip"], state["port"]
