"""When what Redis has confirmed can no longer be lost."""

import time
from collections.abc import Callable

from api.blocking import slot_given_back
from api.state.redis import Database
from bringup.connections.redis_client import fsync_policy
from bringup.settings import Settings

# With appendfsync everysec Redis writes on while an fsync is running, for up to two seconds.
# Source: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
EVERYSEC_S = 2.0
# CONFIG SET may change the policy of a running Redis: so long may we go by the one before.
_ASK_AGAIN_S = 30.0


class Durability:
    """Whether Redis can still lose what it has confirmed.

    A change is settled when no crash of Redis and no failover that it promises to survive can lose it. Only a settled
    change is remembered (`api.state.change_memory`), and a power permit is returned only when it is settled.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, database: Database, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._fsync = ""
        self._ask_at = 0.0

    def is_settled(self, seen_at: float) -> bool:
        """Whether what Redis had confirmed at ``seen_at`` (monotonic, seconds) cannot be lost any more."""
        return self._remaining_s(seen_at) <= 0

    def await_settled(self, seen_at: float) -> bool:
        """Return when what Redis had confirmed at ``seen_at`` cannot be lost any more: after two seconds at most.

        Returns:
            Whether that took time, in which Redis may have lost the change.
        """
        remaining_s = self._remaining_s(seen_at)
        if remaining_s > 0:
            with slot_given_back():
                time.sleep(remaining_s)
        return remaining_s > 0

    def _remaining_s(self, seen_at: float) -> float:
        return 0.0 if self._fsync_policy() == "always" else seen_at + EVERYSEC_S - self._clock()

    def _fsync_policy(self) -> str:
        """Of Redis; or REDIS_APPENDFSYNC where the API's role may not ask for it, as with those of `redis-conf`."""
        if self._clock() >= self._ask_at:
            self._fsync = self._policy_now()
            self._ask_at = self._clock() + _ASK_AGAIN_S
        return self._fsync

    def _policy_now(self) -> str:
        if self._settings.redis_username is not None:
            return self._settings.redis_appendfsync  # a denied CONFIG would fill the ACL log of Redis
        with self._database.errors():
            policy = fsync_policy(self._database.connection)
        return self._settings.redis_appendfsync if policy is None else policy
