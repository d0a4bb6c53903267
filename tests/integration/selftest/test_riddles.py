"""No fault is a riddle: each has its own words and cause, and a way out that was tried."""

import pytest

from pki.check import Status
from selftest.report.text import is_command
from tests.integration.selftest import riddles
from tests.integration.selftest.faults import Fault
from tests.integration.selftest.matrix import one_of_each
from tests.integration.selftest.site import Site
from tests.integration.selftest.test_fault_matrix import assert_reported, named


@pytest.mark.parametrize("fault", one_of_each(riddles.WITH_TLS), ids=named)
def test_a_riddle_with_tls_is_explained_by_its_check(tls_site: Site, fault: Fault) -> None:
    with fault.inject(tls_site) as changes:
        tested = tls_site.tested(changes)
    assert_reported(tested, fault)


@pytest.mark.parametrize("fault", one_of_each(riddles.WITHOUT_TLS), ids=named)
def test_a_riddle_without_tls_is_explained_by_its_check(plain_site: Site, fault: Fault) -> None:
    with fault.inject(plain_site) as changes:
        tested = plain_site.tested(changes)
    assert_reported(tested, fault)


def test_an_api_that_is_stricter_than_our_settings_refuses_and_passes(tls_site: Site) -> None:
    found = tls_site.tested({"api_require_client_cert": False})
    assert found["7.api.no-certificate"].status is Status.OK, found.text("7.api.no-certificate")
    assert found.failing == set()


def test_the_command_for_an_encrypted_key_opens_it(tls_site: Site) -> None:
    with riddles.an_encrypted_key(tls_site) as changes:
        hint = tls_site.tested(changes)["1a"].hint
        assert is_command(hint)
        riddles.opened_by(hint, tls_site)
        assert tls_site.tested(changes).failing == set()
