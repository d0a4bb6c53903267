"""Test 3e: whether Redis still holds what the API hosts remember."""

from bringup.connections.api_client import ApiClient
from bringup.errors import BringupError
from selftest.check import Check, Finding, fail, ok, skip
from selftest.target_installation import Subject


def _holds(subject: Subject) -> Finding:
    """The API compares, and says so where anyone may read it."""
    try:
        withheld = ApiClient(subject.hurried, subject.contexts).readiness().withheld
    except BringupError as error:
        return skip(f"the API was not asked: {error}", mend="see 3a and 3b")
    if withheld:
        return fail(
            f"every machine is withheld: {withheld}",
            expected="Redis holds every change that an API host has seen",
            mend="bringup devices; if what it shows is right: bringup api --accept-redis",
        )
    return ok("Redis holds every change that the API has seen")


CHECKS = (
    Check(
        "3e",
        "3 Callback API",
        "Redis has lost no change",
        _holds,
        needs=(lambda subject: subject.api_hindrance,),
    ),
)
