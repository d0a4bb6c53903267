"""The configuration of the Redis server, and of Sentinel, that fits our settings."""

from bringup.redis_acl import (
    DEFAULT_USER,
    REPLICATION_ROLES,
    ROLES,
    SENTINEL_ROLES,
    acl_file,
    added_users,
    sentinel_acl_file,
)
from bringup_cli.redis_conf.conf import configuration
from bringup_cli.redis_conf.sentinel import monitored_master, sentinel_configuration

__all__ = [
    "DEFAULT_USER",
    "REPLICATION_ROLES",
    "ROLES",
    "SENTINEL_ROLES",
    "acl_file",
    "added_users",
    "configuration",
    "monitored_master",
    "sentinel_acl_file",
    "sentinel_configuration",
]
