"""Transactions that count only when no failover can lose them: every replica that follows the master has them.

A replica that is away does not hold us up for long, for then a sentinel sees it silent; but one at least must have it.
Which replicas count, and why one of two is not enough, is in docs/adr/0007-acknowledged-means-on-every-replica.md.
"""

from typing import Any

import redis
from redis.client import Pipeline
from redis.utils import str_if_bytes

from bringup import errors, keys
from bringup.connections.sentinel import Sentinels, View

# A healthy replica confirms within milliseconds. Longer than this a caller is not held: it comes back.
_CONFIRM_WITHIN_S = 1.0


class ReplicatedRedis(redis.Redis):
    """A client whose transactions return only when the replicas have them, too.

    What was not confirmed in time may well have had its effect: the caller must be able to repeat it. Repeated without
    any change, it is confirmed again, for what it saw may be what was not confirmed before.
    """

    def __init__(self, pool: redis.ConnectionPool, sentinels: Sentinels) -> None:
        super().__init__(connection_pool=pool)
        self.sentinels = sentinels

    def replicas(self) -> int:
        """How many replicas must confirm a change now; 0: there is none, and nothing can be confirmed.

        Raises what redis-py raises when neither the master nor a sentinel answers.
        """
        role: list[Any] = self.execute_command("ROLE")  # type: ignore[no-untyped-call]
        return _count(self.sentinels.view(), role)

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:  # noqa: FBT001, FBT002 - redis-py's
        """A pipeline; one with ``transaction`` ends with the replicas' confirmation."""
        return _ReplicatedPipeline(self, transaction=transaction, shard_hint=shard_hint)


class _ReplicatedPipeline(Pipeline):
    def __init__(self, client: ReplicatedRedis, *, transaction: bool, shard_hint: Any) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, transaction, shard_hint)
        self._sentinels = client.sentinels

    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's signature
        """Execute what is queued. Raises NotReplicated when the replicas do not confirm a transaction in time."""
        if self.explicit_transaction and not self.command_stack:
            self.set(keys.BARRIER, 1)
        return super().execute(raise_on_error)

    def _execute_transaction(self, connection: Any, commands: Any, raise_on_error: Any) -> Any:
        """redis-py gives the connection back right after this, and WAIT must come on the very same one."""
        response = super()._execute_transaction(connection, commands, raise_on_error)
        try:
            self._confirm(connection)
        except (redis.RedisError, OSError) as error:
            connection.disconnect()  # it may lead to a former master; the next one is made where the sentinels say
            # Not redis-py's own error: it would repeat the transaction, perhaps at another master, without its WATCH.
            raise errors.NotReplicated(f"no replica has confirmed a change: {error}") from error
        return response

    def _confirm(self, connection: Any) -> None:
        needed = self._needed(connection)
        timeout_s = min(_CONFIRM_WITHIN_S, connection.socket_timeout / 2)
        confirmed = _ask(connection, "WAIT", needed, int(timeout_s * 1000))
        if confirmed < needed:
            raise errors.NotReplicated(
                f"{confirmed} of {needed} replicas of Redis have confirmed a change; waiting for them"
            )

    def _needed(self, connection: Any) -> int:
        """How many replicas must have what was just written: all that may become the next master.

        The sentinels know those that they are about to promote, even when these have left the master already; the
        master knows those that have just come, which a sentinel sees up to 10 s later.
        """
        view, master = self._sentinels.view(), (connection.host, connection.port)
        if view.master != master:
            view = self._sentinels.view(fresh=True)
        if view.master != master:
            raise redis.ConnectionError("its server is no longer the master")
        return max(1, _count(view, _ask(connection, "ROLE")))


def _count(view: View, role: list[Any]) -> int:
    """The replicas that must have a change.

    Args:
        role: the master's reply to ROLE. Source: https://redis.io/docs/latest/commands/role/
    """
    if str_if_bytes(role[0]) != "master":
        raise redis.ConnectionError("its server is a replica now")
    attached = {(str_if_bytes(host), int(port)) for host, port, _offset in role[2]}
    return max(len(view.following), len(attached - view.silent))


def _ask(connection: Any, *command: Any) -> Any:
    connection.send_command(*command, check_health=False)
    return connection.read_response()
