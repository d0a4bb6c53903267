"""Every check, in the order of the numbered tests."""

from selftest.case import Case
from selftest.checks import (
    callback_api,
    certificates,
    chain,
    devices_file,
    host,
    redis_connection,
    redis_revoked,
    redis_roles,
    redis_server,
    refusals,
    sentinels,
)

CATALOG: tuple[Case, ...] = (
    *redis_connection.SERVER,
    *sentinels.CHECKS,
    *redis_server.DURABLE,
    *redis_server.CLOSED[:1],
    *redis_roles.CHECKS,
    *redis_server.CLOSED[1:],
    *redis_connection.WORKER,
    *callback_api.CHECKS,
    *certificates.CHECKS,
    *refusals.CHECKS,
    *redis_revoked.CHECKS,
    *devices_file.CHECKS,
    *host.CHECKS,
    *chain.CHECKS,
)
