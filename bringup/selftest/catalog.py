"""Every check, in the order in which people know the tests."""

from bringup.selftest import (
    api_checks,
    certificate_checks,
    image_checks,
    inventory_checks,
    redis_checks,
    refusal_checks,
)
from bringup.selftest.check import Check

CATALOG: tuple[Check, ...] = (
    *redis_checks.CHECKS,
    *api_checks.CHECKS,
    *image_checks.CHECKS,
    *certificate_checks.CHECKS,
    *refusal_checks.CHECKS,
    *inventory_checks.CHECKS,
)
