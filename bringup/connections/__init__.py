"""The one factory per kind of connection. Nothing else in bringup opens one."""

from bringup.connections.api import ApiClient
from bringup.connections.redis import connect_redis
from bringup.connections.redis_errors import redis_errors

__all__ = ["ApiClient", "connect_redis", "redis_errors"]
