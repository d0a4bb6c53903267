"""A site of three hosts lives through whole certificate lives and a CA rollover by its timers alone."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509

from bringup_cli.site.host_files import HostFolder
from pki.authority import key_id, signer_of
from pki.names import Identity, Role
from pki.store import RolloverState
from tests.e2e.site.three_hosts import HOSTS, ThreeHosts, eventually

# Seconds. A renewal begins after two thirds, and a computer that runs many things needs some of the last third.
LIFE_S = 120


@pytest.fixture
def three(tmp_path: Path) -> Iterator[ThreeHosts]:
    made = ThreeHosts(tmp_path, LIFE_S)
    try:
        made.enroll()
        made.start()
        yield made
    finally:
        made.stop()


@pytest.mark.slow
def test_two_lives_and_a_rollover_pass_unattended_and_every_lease_is_taken_up(three: ThreeHosts) -> None:
    before, began, leases = three.serials(), time.monotonic(), 0
    (old,) = three.store.authorities()
    rolled = False
    while time.monotonic() < began + 2 * LIFE_S + 30:
        three.lease(leases)
        leases += 1
        time.sleep(1)
        if not rolled and time.monotonic() > began + LIFE_S:
            three.bringup("pki", "rollover", "start")  # the only thing that a person does
            rolled = True
    eventually(lambda: RolloverState.read(three.store.state).stage is None, 2 * LIFE_S, lambda: three.log("sign"))
    (new,) = three.store.authorities()
    assert key_id(new) != key_id(old)
    for name in HOSTS:
        host = three.host(name)
        eventually(partial(_trusts_alone, host, new), 60, partial(three.log, f"renew-{name}"))
        for identity in host.identities:
            assert signer_of(host.certificate(identity), (new,)), identity
    settings, redis, api = three.settings, Identity(Role.REDIS, "r1"), Identity(Role.API, "a1")
    for port, server in ((settings.redis_port, redis), (settings.callback_api_port, api)):
        eventually(partial(three.served, port, server), 30, f"{server} on port {port}")
    after = three.serials()
    assert all(after[identity] != serial for identity, serial in before.items())
    for _ in range(5):  # with the new CA alone
        three.lease(leases)
        leases += 1
    eventually(lambda: len(three.taken_up()) == leases, 60, lambda: f"{len(three.taken_up())} of {leases} taken up")
    issued = [entry.identity.dns for entry in three.store.ledger().entries if entry.identity]
    assert all(issued.count(identity) >= 4 for identity in before)  # enrolled, two lives, the rollover
    for process, running in three.processes.items():
        assert running.poll() is None, process
        assert "Traceback" not in three.log(process), process


def _trusts_alone(host: HostFolder, authority: x509.Certificate) -> bool:
    return host.anchors() == [authority]
