"""A check that is made to lie turns the matrix red: each of the host and of the chain, made to pass always."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pki.check import ok
from selftest.case import Case
from selftest.checks import CATALOG
from tests.integration.selftest import chain_faults, host_faults
from tests.integration.selftest.site import Site
from tests.integration.selftest.test_fault_matrix import assert_reported

# Minutes of a live stack; tests/unit/selftest/test_matrix.py proves the same of every check from made-up results.
pytestmark = pytest.mark.slow

FAULTS = [*host_faults.WITH_TLS, *chain_faults.WITH_TLS[1:]]  # to stop a worker takes seconds
CASES = [case for case in CATALOG if case.id.startswith(("host.", "chain."))]


def _lying(cases: Sequence[Case], id_: str) -> list[Case]:
    return [replace(case, run=lambda _target: ok("always fine")) if case.id == id_ else case for case in cases]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_check_that_always_passes_turns_the_matrix_red(tls_site: Site, case: Case) -> None:
    fault = next(fault for fault in FAULTS if case.id in fault.turns)
    asked = host_faults.CASES if case.id.startswith("host.") else chain_faults.CASES
    with fault.inject(tls_site) as changes:
        assert_reported(tls_site.tested(changes, cases=asked), fault)
        lied = tls_site.tested(changes, cases=_lying(asked, case.id))
    with pytest.raises(AssertionError):
        assert_reported(lied, fault)
