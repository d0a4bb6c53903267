"""Redis Sentinel: where the master is, and which replicas follow it.

Source: https://redis.io/docs/latest/develop/reference/sentinel-clients/
"""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from bringup import errors, openssl_errors, tls
from bringup.connections.redis_transport import PlainConnection, TlsConnection, TlsPool, options
from bringup.settings import Address, Settings

# Seconds. A sentinel answers within milliseconds; one whose host is gone must not delay the question to the next one.
_ANSWER_WITHIN_S = 1.0
_SILENT = "does not answer"
_REFUSED = "refuses REDIS_SENTINEL_PASSWORD"
# Seconds that a view of the replicas is used; a failover takes several seconds at least.
_VIEW_KEPT_S = 1.0


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


@dataclass(frozen=True)
class Opinion:
    """What one sentinel answers.

    Args:
        sentinel: where it is.
        problem: why it does not help; empty if it does.
        master: where it sees the master; None: see ``problem``.
        others: how many other sentinels it knows.
    """

    sentinel: Address
    problem: str = ""
    master: Address | None = None
    others: int = 0


class SentinelRefused(redis.AuthenticationError):
    """Every sentinel refuses our password."""


class NoSentinelAnswers(MasterNotFoundError):
    """Not one of them."""


class _Manager(Sentinel):
    """The sentinels, asked in turn. redis-py's own swaps them in its list, and two threads at once can lose one."""

    preferred = 0  # index of the one that has helped last

    def __init__(self, settings: Settings) -> None:
        super().__init__([])  # type: ignore[no-untyped-call]
        self._settings = settings

    def discover_master(self, service_name: str) -> Address:
        """The master. Raises MasterNotFoundError, or SentinelRefused when nothing but our password is wrong."""
        opinions: list[Opinion] = []
        first, count = self.preferred, len(self.sentinels)
        for number in [(first + step) % count for step in range(count)]:
            opinion = self.ask(number, service_name)
            if opinion.master:
                self.preferred = number
                return opinion.master
            opinions.append(opinion)
        raise _no_master(opinions)

    def ask(self, number: int, name: str) -> Opinion:
        """What the sentinel with this index answers about the master ``name``."""
        sentinel = self.sentinels[number]
        where = sentinel.connection_pool.connection_kwargs
        address = (where["host"], where["port"])
        try:
            masters = cast("dict[str, dict[str, Any]]", sentinel.sentinel_masters())
        except redis.AuthenticationError:
            return Opinion(address, _REFUSED)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            return Opinion(address, self._silence(error))
        if name not in masters:
            return Opinion(address, "knows no master of this name (REDIS_SENTINEL_NAME)")
        state = masters[name]
        if not self.check_master_state(state, name):  # type: ignore[no-untyped-call]
            return Opinion(address, "sees no master that works")
        return Opinion(address, "", _address(state), state["num-other-sentinels"])

    def _silence(self, error: redis.RedisError) -> str:
        """Why there is no answer, in the words of every other connection."""
        cause, settings = errors.innermost(error), self._settings
        if not openssl_errors.is_tls(cause):
            return _SILENT
        certificate = settings.path_of("redis_tls_cert")
        why = openssl_errors.failure_text(cause, openssl_errors.TO_SENTINEL, certificate, uses_tls=True)
        return f"{_SILENT} ({why})"


def _no_master(opinions: list[Opinion]) -> redis.ConnectionError:
    problems = {opinion.problem for opinion in opinions}
    if problems == {_REFUSED}:
        return SentinelRefused("the sentinels refuse REDIS_SENTINEL_PASSWORD")
    kind = NoSentinelAnswers if all(one.startswith(_SILENT) for one in problems) else MasterNotFoundError
    reasons = (f"the sentinel at {one.sentinel[0]}:{one.sentinel[1]} {one.problem}" for one in opinions)
    return kind("; ".join(reasons))


class Sentinels:
    """The sentinels of ``settings``, asked over the same transport as Redis itself.

    Args:
        name: shown by ``CLIENT LIST``.
    """

    def __init__(self, settings: Settings, contexts: tls.ClientContexts, *, name: str) -> None:
        self.name = settings.redis_sentinel_name
        self.manager = _Manager(settings)
        # Given to it ready-made: it would make clients that trust every public CA.
        self.manager.sentinels = [_client(settings, contexts, one, name) for one in settings.sentinels]
        # Without it all threads would ask at once when the view is old. While it is held, the others use the old view.
        self._looking = Lock()
        self._view: View | None = None

    def opinions(self) -> list[Opinion]:
        """What each sentinel answers now, in the order of REDIS_SENTINELS."""
        return [self.manager.ask(number, self.name) for number in range(len(self.manager.sentinels))]

    def servers(self) -> frozenset[Address]:
        """Every Redis that a sentinel has ever heard of, whatever its role and whether or not it answers now.

        Raises:
            redis.ConnectionError: no sentinel answers.
        """
        found: set[Address] = set()
        for sentinel in self.manager.sentinels:  # each: one that was away may not know them all
            with suppress(redis.RedisError):
                found.add(_address(cast("dict[str, Any]", sentinel.sentinel_master(self.name))))
                found.update(map(_address, sentinel.sentinel_slaves(self.name)))
        if not found:
            raise _no_master(self.opinions())
        return frozenset(found)

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
