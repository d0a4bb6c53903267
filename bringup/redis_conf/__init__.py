"""The configuration of the Redis server that fits our settings."""

from bringup.redis_conf.acl import ROLES, acl_file
from bringup.redis_conf.conf import configuration

__all__ = ["ROLES", "acl_file", "configuration"]
