"""Each hint is carried out as it is written; then the self-test is green."""

import re
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from bringup import tls
from bringup.connections.redis_client import connect_redis
from tests.integration.selftest import matrix
from tests.integration.selftest.faults import Fault
from tests.integration.selftest.site import Changes, Site
from tests.integration.selftest.test_fault_matrix import named
from tests.integration.workers.site import eventually


def _redis_conf(site: Site, _words: str) -> None:
    site.stack.command("redis-conf", "--force", role="")


def _restart_redis(site: Site, _words: str) -> None:
    site.restart_redis()


def _by_shell(site: Site, words: str) -> None:
    subprocess.run(["/bin/sh", "-c", words], cwd=site.folder, check=True)


def _as_keeper(site: Site, words: str) -> None:
    """With the rights of the user keeper, which are those of a person on the host of Redis."""
    password = (site.folder / "redis/keeper.password").read_text().strip()
    keeper = connect_redis(
        site.settings.model_copy(update={"redis_username": "keeper", "redis_password": SecretStr(password)}),
        tls.ClientContexts(),
        name="keeper",
    )
    keeper.execute_command(*words.split())  # type: ignore[no-untyped-call]
    keeper.close()


def _await_rewrite(site: Site, _words: str) -> None:
    eventually(lambda: not site.keeper.info("persistence")["aof_rewrite_in_progress"], 60, "the file is written")


def _accept_redis(site: Site, _words: str) -> None:
    site.stack.stop("api")
    site.stack.start("api", "--accept-redis")


# What a hint asks for, in the order in which it is written there, and how a test does it.
_STEPS: tuple[tuple[str, Callable[[Site, str], None]], ...] = (
    (r"rm redis/\w+\.env", _by_shell),
    (r"bringup redis-conf --force", _redis_conf),
    (r"restart Redis", _restart_redis),
    (r"bringup api --accept-redis", _accept_redis),
    (r"CONFIG SET [\w-]+ \w+", _as_keeper),
    (r"aof_rewrite_in_progress:0", _await_rewrite),
    (r"ACL (?:SETUSER|DELUSER) [^,;]+|ACL SAVE", _as_keeper),
    (r"(?:chmod|cp|kill) [^,;]+", _by_shell),
)
_WAYS = re.compile(r"; (?:until then|by hand)")


def _carry_out(site: Site, hint: str) -> None:
    found = [(match.start(), do, match[0]) for words, do in _STEPS for match in re.finditer(words, hint)]
    assert found, f"nothing in it can be done: {hint}"
    for _, do, words in sorted(found, key=lambda step: step[0]):
        do(site, words)


def _named_like(*names: str) -> list[Fault]:
    return [fault for fault in matrix.WITH_TLS if fault.name in names]


REPAIRED = _named_like(
    "Redis writes no append-only file",
    "the default user is on after the next start",
    "a worker may FLUSHALL",
    "our password opens another role",
    "Redis trusts a second CA",
    "everybody may open the Unix socket",
    "a revoked worker knows the password of all",
    "public CAs in api_tls_ca",
    "the API has an old list",
    "a second plain API",
    "Redis is of another installation",
)
UNTIL_THEN = _named_like(
    "Redis evicts: allkeys-lru",
    "the default user has a password of its own",
    "everybody may open the Unix socket",
    "a revoked worker has its user",
)


def _first(faults: list[Fault], kept: int) -> list[Any]:
    """Those that run always, and the others, which restart servers, in scripts/test-slow."""
    return [*faults[:kept], *(pytest.param(fault, marks=pytest.mark.slow) for fault in faults[kept:])]


def _hint(site: Site, fault: Fault, changes: Changes) -> str:
    return site.tested(changes, cases=matrix.quick(fault))[fault.shown_by].hint


def _assert_repaired(site: Site, fault: Fault, changes: Changes) -> None:
    """A process that was ended, and a file that was copied, take a moment."""
    site.settings = site.stack.settings_of("worker")  # its password may be another one now

    deadline = time.monotonic() + 180
    while (found := site.tested(changes, cases=matrix.quick(fault))).failing and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found.failing == set(), {one: found.text(one) for one in found.failing}


@pytest.mark.parametrize("fault", _first(REPAIRED, 1), ids=named)
def test_the_hint_repairs_it(tls_site: Site, fault: Fault) -> None:
    with fault.inject(tls_site) as changes:
        _carry_out(tls_site, _WAYS.split(_hint(tls_site, fault, changes))[0])
        _assert_repaired(tls_site, fault, changes)


@pytest.mark.parametrize("fault", _first(UNTIL_THEN, 1), ids=named)
def test_what_helps_until_then_does_so(tls_site: Site, fault: Fault) -> None:
    with fault.inject(tls_site) as changes:
        _carry_out(tls_site, _WAYS.split(_hint(tls_site, fault, changes))[1])
        _assert_repaired(tls_site, fault, changes)
