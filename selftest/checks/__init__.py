"""Every check, in the order of the numbered tests."""

from selftest.case import Case
from selftest.checks import callback_api, certificates, devices_file, redis_connection, refusals, sentinels

CATALOG: tuple[Case, ...] = (
    *redis_connection.SERVER,
    *sentinels.CHECKS,
    *redis_connection.WORKER,
    *callback_api.CHECKS,
    *certificates.CHECKS,
    *refusals.CHECKS,
    *devices_file.CHECKS,
)
