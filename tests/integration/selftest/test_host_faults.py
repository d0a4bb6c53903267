"""Each fault of a host turns exactly its check; with both flags off it is a warning; and its hint repairs it."""

import subprocess

import pytest

from pki.check import Status
from selftest.report.text import is_command
from tests.integration.selftest.faults import Fault
from tests.integration.selftest.host_faults import CASES, WITH_TLS, mode
from tests.integration.selftest.site import Site
from tests.integration.selftest.test_fault_matrix import assert_reported, named

WITHOUT_TLS = [fault for fault in WITH_TLS if fault.name != "git tracks a key"]  # there is none
COMMANDS = [fault for fault in WITH_TLS if fault.shown_by in {"host.files", "host.git"}]


@pytest.mark.parametrize("fault", WITH_TLS, ids=named)
def test_a_fault_of_the_host_turns_exactly_its_check(tls_site: Site, fault: Fault) -> None:
    with fault.inject(tls_site) as changes:
        assert_reported(tls_site.tested(changes, cases=CASES), fault)
    assert tls_site.tested(cases=CASES).failing == set()


@pytest.mark.parametrize("fault", WITHOUT_TLS, ids=named)
def test_in_development_a_fault_of_the_host_is_a_warning(plain_site: Site, fault: Fault) -> None:
    with fault.inject(plain_site) as changes:
        found = plain_site.tested(changes, cases=CASES)
    assert found[fault.shown_by].status is Status.WARN
    assert found.failing == set()


@pytest.mark.parametrize("fault", COMMANDS, ids=named)
def test_the_command_of_the_hint_repairs_it(tls_site: Site, fault: Fault) -> None:
    with fault.inject(tls_site) as changes:
        hint = tls_site.tested(changes, cases=CASES)[fault.shown_by].hint
        assert is_command(hint)
        subprocess.run(["/bin/sh", "-c", hint], cwd=tls_site.folder, check=True)
        assert tls_site.tested(changes, cases=CASES).failing == set()


def test_no_secret_is_part_of_what_is_reported_of_it(tls_site: Site) -> None:
    for fault in WITH_TLS:
        if fault.shown_by == "host.secrets":
            with fault.inject(tls_site) as changes:
                text = tls_site.tested(changes, cases=CASES).text("host.secrets")
            secrets = [str(value.get_secret_value()) for value in changes.values()]  # type: ignore[attr-defined]
            assert not any(secret in text for secret in secrets)


def test_an_acl_file_as_redis_saves_it_is_kept_from_others_by_its_folder(tls_site: Site) -> None:
    with mode("redis/users.acl", 0o644)(tls_site):
        assert tls_site.tested(cases=CASES).failing == set()
