"""Each fault in a live stack turns exactly the checks that it must, and the one that matters says why."""

import re
from collections.abc import Sequence

import pytest

from pki.check import Status
from selftest.case import Case
from selftest.checks import CATALOG
from selftest.report.text import is_command
from tests.integration.selftest import matrix
from tests.integration.selftest.faults import WITH_TLS, WITHOUT_TLS, Fault
from tests.integration.selftest.site import Found, Site

# A setting, a file, a page of docs/ or a command between backquotes.
_NAMES_WHERE = re.compile(
    r"\b[A-Z]{2,}[A-Z_]*_[A-Z_]+\b|\w\.(conf|env|acl|toml|pem|md)\b|`[^`]+`|bringup |[A-Z]{3,} SET"
)


def named(fault: Fault) -> str:
    return fault.name.replace(" ", "-")


def _prove(site: Site, fault: Fault, cases: Sequence[Case] = CATALOG) -> None:
    with fault.inject(site) as changes:
        tested = site.tested(changes, cases=cases)
    assert_reported(tested, fault)


def assert_reported(tested: Found, fault: Fault) -> None:
    assert tested.failing == fault.turns, {one: tested.text(one) for one in tested.failing ^ fault.turns}
    for part in fault.words:
        assert part in tested.text(fault.shown_by)
    hint = tested[fault.shown_by].hint
    assert is_command(hint) or _NAMES_WHERE.search(hint), f"a hint that is no command names where: {hint!r}"
    assert set(tested.consequences.values()) <= fault.turns


def test_a_good_stack_with_tls_fails_nothing_and_skips_nothing(tls_site: Site) -> None:
    tested = tls_site.tested()
    assert tested.failing == set()
    assert tested.with_status(Status.SKIP) == set()
    assert tested.with_status(Status.INFO) == {
        "1d",
        "2a",
        "3a",
        "3d",
        "3g",
        "chain.bmcs",
        "7.images.old-tls",
        "7.images.whole-api",
    }


def test_a_good_stack_without_tls_fails_nothing_and_warns_of_what_production_needs(plain_site: Site) -> None:
    tested = plain_site.tested()
    assert tested.failing == set()
    assert {"1b", "2b", "3b"} <= tested.with_status(Status.WARN)


@pytest.mark.parametrize("fault", matrix.one_of_each(WITH_TLS), ids=named)
def test_a_fault_with_tls_turns_exactly_its_checks(tls_site: Site, fault: Fault) -> None:
    _prove(tls_site, fault)


@pytest.mark.parametrize("fault", matrix.one_of_each(WITHOUT_TLS), ids=named)
def test_a_fault_without_tls_turns_exactly_its_checks(plain_site: Site, fault: Fault) -> None:
    _prove(plain_site, fault)


@pytest.mark.parametrize("fault", matrix.one_of_each(matrix.WITH_TLS), ids=named)
def test_a_fault_of_data_users_and_ports_turns_exactly_its_checks(tls_site: Site, fault: Fault) -> None:
    _prove(tls_site, fault, matrix.quick(fault))


@pytest.mark.slow
@pytest.mark.parametrize("fault", matrix.WITHOUT_TLS, ids=named)
def test_the_same_without_tls(plain_site: Site, fault: Fault) -> None:
    _prove(plain_site, fault, matrix.quick(fault))


@pytest.mark.slow
@pytest.mark.parametrize("fault", matrix.WITH_TLS, ids=named)
def test_no_check_of_all_turns_besides(tls_site: Site, fault: Fault) -> None:
    _prove(tls_site, fault)


@pytest.mark.slow
@pytest.mark.parametrize("fault", matrix.WITHOUT_TLS, ids=named)
def test_no_check_of_all_turns_besides_without_tls(plain_site: Site, fault: Fault) -> None:
    _prove(plain_site, fault)


def test_tls_where_the_flags_say_plain_is_named_for_both(tls_site: Site) -> None:
    tested = tls_site.tested({"redis_use_tls": False, "api_use_tls": False})
    assert tested.failing == {"1a", "3a"}
    assert "set REDIS_USE_TLS=true" in tested.text("1a")
    assert "set API_USE_TLS=true" in tested.text("3a")


def test_every_fault_is_undone(tls_site: Site, plain_site: Site) -> None:
    assert tls_site.tested().failing == set()
    assert plain_site.tested().failing == set()
