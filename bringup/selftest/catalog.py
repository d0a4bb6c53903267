"""Every check, in the order in which people know the tests."""

from bringup.selftest import (
    acl_checks,
    api_checks,
    certificate_checks,
    image_checks,
    inventory_checks,
    loss_checks,
    redis_checks,
    refusal_checks,
    sentinel_checks,
)
from bringup.selftest.check import Check

CATALOG: tuple[Check, ...] = (
    *redis_checks.SERVER,
    *acl_checks.CHECKS,
    *sentinel_checks.CHECKS,
    *redis_checks.CLIENT,
    *api_checks.CHECKS,
    *image_checks.CHECKS,
    *loss_checks.CHECKS,
    *certificate_checks.CHECKS,
    *refusal_checks.CHECKS,
    *inventory_checks.CHECKS,
)
