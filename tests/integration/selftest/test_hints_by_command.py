"""Every hint was tried: the fault, then what the hint says, then the self-test, until it is green."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from selftest.report.text import is_command
from tests.integration.selftest import chain_faults, faults, host_faults, redis_faults, riddles
from tests.integration.selftest.faults import Fault
from tests.integration.selftest.site import Changes, Found, Site
from tests.integration.selftest.test_fault_matrix import named

ALL = [
    *(fault for room in (faults, redis_faults, host_faults, chain_faults, riddles) for fault in room.WITH_TLS),
]
BY_COMMANDS = (
    "Redis: expired",
    "Redis: another host's",
    "API: expired",
    "API: another host's",
    "we: expired",
    "we: a server's certificate",
    "we: foreign CA of the same name",
    "another key",
    "a key that all may read",
    "a stale list",
    "six hours left",
)
# A renewal of Redis's certificate has to be loaded, too: three rounds at most.
_ROUNDS = 4


def _carried_out(site: Site, hint: str) -> None:
    if is_command(hint):
        _run(site, hint)
    else:
        assert "reload or restart the server" in hint, hint
        site.reload_redis()


def _run(site: Site, command: str, **settings: str) -> None:
    """As a person in the folder of the installation, with the settings of the operator."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = site.stack.environment("operator") | {"PATH": path, "PYTHONPATH": os.pathsep.join(sys.path)} | settings
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=site.folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def _first_root(found: Found) -> str:
    order = ("3c", "4", "5a", "6")
    return min(found.failing, key=lambda check: (order.index(check) if check in order else len(order), check))


def _repaired(site: Site, changes: Changes) -> list[str]:
    """What was carried out until nothing failed."""
    done: list[str] = []
    for _ in range(_ROUNDS):
        found = site.tested(changes)
        if not found.failing:
            return done
        hint = found[_first_root(found)].hint
        _carried_out(site, hint)
        done.append(hint)
    raise AssertionError(f"not green after {done}")


@pytest.mark.slow
@pytest.mark.parametrize("fault", [fault for fault in ALL if fault.name in BY_COMMANDS], ids=named)
def test_the_hints_carried_out_in_their_order_lead_to_green(tls_site: Site, fault: Fault) -> None:
    with fault.inject(tls_site) as changes:
        assert _repaired(tls_site, changes)
    tls_site.reload_redis()


def test_the_command_for_a_job_in_quarantine_takes_it_out(tls_site: Site) -> None:
    tls_site.stack.command("pki", "issue", "operator", "--name", "hint")
    own = tls_site.store.root / "issued/operator/hint"
    with chain_faults.a_job_in_quarantine(tls_site):
        before = tls_site.tested(cases=chain_faults.CASES)
        _run(tls_site, before["chain.jobs"].hint, API_CLIENT_CERT=f"{own}-cert.pem", API_CLIENT_KEY=f"{own}-key.pem")
        assert tls_site.tested(cases=chain_faults.CASES).failing == set()


def test_every_fault_whose_hint_is_tried_is_there() -> None:
    assert set(BY_COMMANDS) <= {fault.name for fault in ALL}
