"""Every check, in the order of the numbered tests."""

from selftest.case import Case
from selftest.checks import (
    callback_api,
    certificates,
    devices_file,
    redis_server,
    refusals,
    sentinels,
    worker_connection,
)

CATALOG: tuple[Case, ...] = (
    *redis_server.CHECKS,
    *sentinels.CHECKS,
    *worker_connection.CHECKS,
    *callback_api.CHECKS,
    *certificates.CHECKS,
    *refusals.CHECKS,
    *devices_file.CHECKS,
)
