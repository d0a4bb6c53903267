"""Redis as the API uses it: typed reads, and transactions that watch what they were computed from."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from api.state.batch import Batch, together
from api.state.clock import RedisClock
from bringup.connections.redis_client import check_writes, redis_errors, redis_now
from bringup.connections.replicated import ReplicatedRedis
from bringup.connections.watched_reads import read_watched
from bringup.errors import BringupError, CorruptRecord
from bringup.outages import Outages, Service
from bringup.settings import Settings

if TYPE_CHECKING:
    import redis

    Pipeline = redis.client.Pipeline
else:
    Pipeline = object  # a name for annotations: at run time only `bringup.connections` imports redis

_Result = TypeVar("_Result")
# Reads in one round trip: one at a time, 4,700 runs take longer than a client waits; all at once would delay others.
_AT_ONCE = 250


@dataclass(frozen=True)
class Replicas:
    """Replicas of a Redis with Sentinel.

    Args:
        following: those that must confirm a change before it is acknowledged; 0: none can be.
        known: those that the sentinels have heard of.
    """

    following: int
    known: int


class Database:
    """Typed reads and transactions.

    Raises:
        RedisUnavailable: from every method, when Redis does not answer.
    """

    def __init__(self, settings: Settings, connection: "redis.Redis") -> None:
        self._settings = settings
        self.connection = connection
        self.clock = RedisClock()
        self._outages = Outages("api")

    def now(self) -> datetime:
        """The time by Redis's clock: deadlines that one API host computes are judged by another."""
        with self.errors():
            return redis_now(self.connection)

    def read(self, batch: Batch) -> None:
        """Read all that ``batch`` asks for: not at one moment, a few hundred in a round trip."""
        commands, apart = together(batch.commands, batch.guards)
        replies: list[Any] = []
        for start in range(0, len(commands), _AT_ONCE):
            with self.errors():
                # No transaction: with Redis Sentinel one waits for the replicas, and reads must work without any.
                pipe: Any = self.connection.pipeline(transaction=False)
                for command in commands[start : start + _AT_ONCE]:
                    pipe.execute_command(*command)
                replies += pipe.execute(raise_on_error=False)
        pairs = zip(batch.commands, apart(replies), strict=True)
        batch.replies = [self._translated(one, asked) if isinstance(one, Exception) else one for asked, one in pairs]

    def read_watched(self, pipe: Pipeline, batch: Batch, *watched: str) -> None:
        """The same in a transaction, which is computed again when one of these keys has changed since.

        Args:
            pipe: of the transaction, before MULTI.
            batch: what is read.
            watched: keys, besides those that the transaction watches already.
        """
        # No `errors` here: redis-py must see that the connection was lost, and begin the transaction anew.
        commands, apart = together(batch.commands, batch.guards)
        batch.replies = apart(read_watched(pipe, watched, commands))

    def check_writes(self) -> None:
        """Ask whether it answers and takes writes.

        Raises:
            RedisRefusesWrites: it takes none.
        """
        with self.errors(Service.REDIS, Service.REDIS_WRITES):
            check_writes(self.connection)

    @property
    def is_replicated(self) -> bool:
        """Whether a change is acknowledged only when the replicas have it."""
        return isinstance(self.connection, ReplicatedRedis)

    def replicas(self) -> Replicas | None:
        """How many replicas there are; None: without Sentinel there need be none."""
        if not isinstance(self.connection, ReplicatedRedis):
            return None
        with self.errors():
            return Replicas(self.connection.replicas(), self.connection.sentinels.view().known)

    def fields(self, key: str, *, within: Pipeline | None = None) -> dict[str, bytes]:
        """A hash; empty when there is none."""
        stored = self.stored_fields(key, within=within)
        return {name.decode(errors="replace"): value for name, value in stored.items()}

    def stored_fields(self, key: str, *, within: Pipeline | None = None) -> dict[bytes, bytes]:
        """The same, as it is stored."""
        with self.errors():
            return cast("dict[bytes, bytes]", (within if within is not None else self.connection).hgetall(key))

    def field(self, key: str, name: str) -> bytes | None:
        """One field of a hash, if it is there."""
        with self.errors():
            return cast("bytes | None", self.connection.hget(key, name))

    def string(self, key: str) -> bytes | None:
        """A string, if it is there."""
        with self.errors():
            return cast("bytes | None", self.connection.get(key))

    def members(self, key: str) -> set[str]:
        """A set."""
        with self.errors():
            return {member.decode(errors="replace") for member in cast("set[bytes]", self.connection.smembers(key))}

    def has_member(self, key: str, member: str) -> bool:
        """Whether a set holds ``member``."""
        with self.errors():
            return bool(self.connection.sismember(key, member))

    def size(self, key: str) -> int:
        """How many members a set holds."""
        with self.errors():
            return int(self.connection.scard(key))

    def newest(self, key: str, count: int, start: int = 0) -> list[str]:
        """The members of a sorted set with the highest scores, highest first.

        Args:
            key: of the set.
            count: how many at most.
            start: how many to skip.
        """
        with self.errors():
            return _text(self.connection.zrevrange(key, start, start + count - 1))

    def position_after(self, key: str, member: str) -> int | None:
        """How many members of a sorted set come before the one that follows ``member``, highest first; None: no such.

        By ZSCORE and ZCOUNT and not ZREVRANK, which the users of installed servers may not call.
        """
        with self.errors():
            score = self.connection.zscore(key, member)
            if score is None:
                return None
            higher, same = (int(self.connection.zcount(key, low, "+inf")) for low in (f"({score!r}", repr(score)))
            # Those of one score come in the reverse order of their names.
            ties = _text(self.connection.zrevrange(key, higher, same - 1))
        return higher + sum(one >= member for one in ties)

    def oldest(self, key: str, count: int, start: int = 0) -> list[str]:
        """The members of a sorted set with the lowest scores, lowest first.

        Args:
            key: of the set.
            count: how many at most; 0: all.
            start: how many to skip.
        """
        last = start + count - 1 if count else -1
        with self.errors():
            return _text(self.connection.zrange(key, start, last))

    def count(self, key: str) -> int:
        """How many members a sorted set holds."""
        with self.errors():
            return int(self.connection.zcard(key))

    def discard(self, key: str, members: Sequence[str]) -> None:
        """Take members out of a sorted set."""
        with self.errors():
            self.connection.zrem(key, *members)

    def transact(self, body: Callable[[Pipeline], _Result], *watched: str) -> _Result:
        """Run ``body`` again until no other client has changed meanwhile what it watches (optimistic locking).

        Without it, of two changes at once the second would overwrite what the first has written.

        Args:
            body: reads from the pipeline, calls its ``multi()``, then writes to it. It may run several times.
            watched: keys.
        """
        outcome: list[_Result] = []

        def keeping(pipe: Pipeline) -> None:
            outcome[:] = [body(pipe)]

        self.execute(keeping, *watched)
        return outcome[0]

    def execute(self, body: Callable[[Pipeline], None], *watched: str) -> list[Any]:
        """The same; returns the replies of Redis to what ``body`` wrote, in its order."""
        run: Any = self.connection.transaction
        began_at = self._outages.now()
        with self.errors():
            replies = cast("list[Any]", run(body, *watched))
        if replies:
            self._outages.worked((Service.REDIS_WRITES,), began_at)
        return replies

    def _translated(self, error: Exception, command: Sequence[Any]) -> BringupError:
        """What a command was refused with: others of its batch may have been answered."""
        try:
            with self.errors():
                raise error
        except CorruptRecord as ours:
            return CorruptRecord(f"{ours} ({' '.join(map(str, command[:2]))})" if command[0] != "EVAL" else str(ours))
        except BringupError as ours:
            return ours

    @contextmanager
    def errors(self, *services: Service) -> Iterator[None]:
        """Turn Redis's errors into ours; an outage is logged once, not by each request that meets it.

        Args:
            services: what works when the block does; by default that Redis answers.
        """
        began_at = self._outages.now()
        try:
            with redis_errors(self._settings):
                yield
        except BringupError as error:
            self._outages.failed(error, began_at)
            raise
        self._outages.worked(services or (Service.REDIS,), began_at)


def _text(members: object) -> list[str]:
    return [member.decode(errors="replace") for member in cast("list[bytes]", members)]
