"""Every check, in the order of the numbered tests."""

from selftest.case import Case
from selftest.checks import (
    api_ports,
    api_roles,
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
    trust,
)

_CHECKS = (
    *redis_connection.CHECKS,
    *sentinels.CHECKS,
    *redis_server.CHECKS,
    *redis_roles.CHECKS,
    *callback_api.CHECKS,
    *certificates.CHECKS,
    *trust.CHECKS,
    *refusals.CHECKS,
    *redis_revoked.CHECKS,
    *api_roles.CHECKS,
    *api_ports.CHECKS,
    *devices_file.CHECKS,
    *host.CHECKS,
    *chain.CHECKS,
)
# A group is in one piece, whichever module has its checks.
CATALOG: tuple[Case, ...] = tuple(sorted(_CHECKS, key=lambda case: int(case.group.partition(" ")[0])))
