"""Each fault of the chain turns exactly its check, seen through the API with a worker's own rights."""

import pytest

from pki.check import Status
from tests.integration.selftest.chain_faults import A_GOOD_BMC, ANYWHERE, CASES, WITH_TLS, a_failed_job
from tests.integration.selftest.faults import Fault
from tests.integration.selftest.matrix import one_of_each
from tests.integration.selftest.site import Site
from tests.integration.selftest.test_fault_matrix import assert_reported, named


@pytest.mark.parametrize("fault", one_of_each(WITH_TLS), ids=named)
def test_a_fault_of_the_chain_turns_exactly_its_check(tls_site: Site, fault: Fault) -> None:
    with fault.inject(tls_site) as changes:
        assert_reported(tls_site.tested(changes, cases=CASES), fault)
    assert tls_site.tested(cases=CASES).failing == set()


@pytest.mark.parametrize("fault", ANYWHERE[1:2], ids=named)
def test_in_development_a_fault_of_the_chain_is_a_warning(plain_site: Site, fault: Fault) -> None:
    with fault.inject(plain_site) as changes:
        found = plain_site.tested(changes, cases=CASES)
    assert found[fault.shown_by].status is Status.WARN
    assert found.failing == set()


def test_a_failed_job_is_a_warning_for_a_week(tls_site: Site) -> None:
    with a_failed_job(tls_site):
        found = tls_site.tested(cases=CASES)
    assert found["chain.jobs"].status is Status.WARN
    assert "1 in boots" in found.text("chain.jobs")


def test_a_bmc_that_proves_itself_as_the_inventory_says_is_reached(tls_site: Site) -> None:
    with A_GOOD_BMC(tls_site) as changes:
        found = tls_site.tested(changes, cases=CASES)
    assert found["chain.bmcs"].status is Status.OK, found.text("chain.bmcs")


def test_a_workers_host_without_the_inventory_asks_the_api_for_it(tls_site: Site) -> None:
    found = tls_site.tested({"devices_file": tls_site.folder / "none.toml"}, cases=CASES)
    assert found["chain.bmcs"].status is Status.INFO
    assert "names no BMC" in found.text("chain.bmcs")
