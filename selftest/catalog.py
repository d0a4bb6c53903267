"""Every check, in the order in which people know the tests."""

from selftest.check import Check
from selftest.checks import acl, api, certificates, images, inventory, loss, redis, refusals, sentinel

CATALOG: tuple[Check, ...] = (
    *redis.SERVER,
    *acl.CHECKS,
    *sentinel.CHECKS,
    *redis.CLIENT,
    *api.CHECKS,
    *images.CHECKS,
    *loss.CHECKS,
    *certificates.CHECKS,
    *refusals.CHECKS,
    *inventory.CHECKS,
)
