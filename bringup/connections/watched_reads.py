"""WATCH and the reads that follow it, in one round trip: redis-py sends each by itself and waits for its reply."""

import time
from collections.abc import Sequence
from typing import Any

from redis.client import Pipeline


def read_watched(pipe: Pipeline, watched: Sequence[str], commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The replies to ``commands``, errors among them; ``watched`` is watched from before the first of them.

    Args:
        pipe: of a transaction, before MULTI.
        watched: keys; they are added to those that ``pipe`` watches already.
        commands: with their arguments.

    Raises:
        WatchError: the connection was lost, and with it what it watched; the transaction must begin anew.
        ResponseError: Redis refuses to watch.
    """
    raw: Any = pipe  # what sends several commands without MULTI is not public
    if raw.connection is None:
        raw.connection = raw.connection_pool.get_connection()
    connection = raw.connection
    sent: list[tuple[Any, dict[str, Any]]] = [(command, {}) for command in (("WATCH", *watched), *commands)]
    began_at = time.monotonic()
    replies: list[Any] = connection.retry.call_with_retry(
        lambda: raw._execute_pipeline(connection, sent, raise_on_error=False),  # noqa: SLF001
        lambda error, failures: raw._disconnect_reset_raise_on_watching(connection, error, failures, began_at, "WATCH"),  # noqa: SLF001
        with_failure_count=True,
    )
    if isinstance(replies[0], Exception):
        raise replies[0]
    return replies[1:]
