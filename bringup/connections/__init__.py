"""The one factory per kind of connection. Nothing else in bringup opens one."""

from bringup.connections.api import ApiClient
from bringup.connections.fsync_policy import fsync_policy
from bringup.connections.redis import connect_redis
from bringup.connections.redis_clock import redis_now
from bringup.connections.redis_errors import redis_errors
from bringup.connections.replicated import ReplicatedRedis
from bringup.connections.sentinel import Opinion, Sentinels
from bringup.connections.write_probe import check_writes

__all__ = [
    "ApiClient",
    "Opinion",
    "ReplicatedRedis",
    "Sentinels",
    "check_writes",
    "connect_redis",
    "fsync_policy",
    "redis_errors",
    "redis_now",
]
