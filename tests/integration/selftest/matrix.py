"""The fault matrix: every fault, and for each which checks a run of the self-test has to ask."""

from collections.abc import Sequence
from typing import Any

import pytest

from selftest.case import Case
from selftest.checks import CATALOG
from tests.integration.selftest import (
    api_faults,
    chain_faults,
    faults,
    front_faults,
    host_faults,
    redis_faults,
    riddles,
    state_faults,
)
from tests.integration.selftest.faults import Fault

# A room of faults is a module with these two lists. The others have tests of their own.
_ROOMS = (redis_faults, api_faults, front_faults, state_faults)
WITH_TLS: Sequence[Fault] = [fault for room in _ROOMS for fault in room.WITH_TLS]
WITHOUT_TLS: Sequence[Fault] = [fault for room in _ROOMS for fault in room.WITHOUT_TLS]
_ELSEWHERE = [
    *(fault for room in (faults, riddles) for fault in (*room.WITH_TLS, *room.WITHOUT_TLS)),
    *(fault for room in (host_faults, chain_faults) for fault in room.WITH_TLS),
]
ALL: Sequence[Fault] = [*_ELSEWHERE, *WITH_TLS, *WITHOUT_TLS]
# These connect once and no more; each other refusal waits to be refused, between two controls.
_QUICK_REFUSALS = {"7.redis.revoked", "7.api.roles", "7.api.plain-port", "7.images.whole-api"}


def one_of_each(faults: Sequence[Fault]) -> list[Any]:
    """One fault of each check, that runs always; the others, each seconds of a live stack, in scripts/test-slow."""
    seen: set[str] = set()
    chosen = []
    for fault in faults:
        chosen.append(pytest.param(fault, marks=[pytest.mark.slow] if fault.shown_by in seen else []))
        seen.add(fault.shown_by)
    return chosen


def quick(fault: Fault) -> list[Case]:
    """All checks but the refusals that take long, of which those are in it that the fault turns."""
    wanted = _QUICK_REFUSALS | fault.turns | {fault.shown_by}
    return [case for case in CATALOG if not case.id.startswith("7.") or case.id in wanted]
