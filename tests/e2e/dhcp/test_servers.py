"""What the clients of a real server got is what every source of it tells, through all that happens meanwhile."""

import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import MakeSettings, RedisServer
from tests.e2e.dhcp.lab import Lab, lab, lines_of, until
from tests.e2e.dhcp.servers import SERVERS, Server
from tests.e2e.dhcp.tailers import Tailer

A, B, C, D = (f"02:00:00:00:00:0{n}" for n in "abcd")
STORM = 100
Truth = Counter[tuple[str, str]]

# Who can tell what: the rest is in docs/dhcp.md, under "what it cannot tell".
TELLS_VENDOR_CLASS = {
    ("dnsmasq", "dnsmasq-log"),
    ("dnsmasq", "jsonl"),
    ("isc", "isc-leases"),
    ("isc", "jsonl"),
}
TELLS_EXPIRY = {"dnsmasq-leases", "isc-leases", "kea-csv", "jsonl"}


def bound(truth: Path, mac: str) -> Truth:
    return Counter((mac, line.split()[1]) for line in lines_of(truth) if line.startswith("bound"))


def life_of_a(net: Lab, truth: Path) -> Truth:
    """Assigned, renewed, released, and assigned again."""
    client = net.client(A, truth)
    time.sleep(1.2)  # no two leases of one machine in one second
    client.send_signal(signal.SIGUSR1)
    until(lambda: any(line.startswith("renew") for line in lines_of(truth)), "a renewal")
    time.sleep(1.2)
    client.send_signal(signal.SIGUSR2)
    until(lambda: len([line for line in lines_of(truth) if line.startswith("deconfig")]) == 2, "a release")
    net.end(client)
    time.sleep(1.2)
    net.end(net.client(A, truth), signal.SIGKILL)
    return bound(truth, A)


def life_of(net: Lab, truth: Path, mac: str) -> Truth:
    """Assigned, then gone without a word."""
    net.end(net.client(mac, truth), signal.SIGKILL)
    return bound(truth, mac)


@pytest.mark.parametrize("kind", SERVERS, ids=lambda kind: kind.name)
def test_every_source_tells_what_the_clients_got(
    kind: type[Server], tmp_path: Path, own_redis: RedisServer, make_settings: MakeSettings
) -> None:
    with lab(tmp_path) as net:
        server = kind(net)
        tailers = [
            Tailer(source, path, tmp_path, redis=own_redis, database=number, make=make_settings)
            for number, (source, path) in enumerate(server.sources.items())
        ]
        try:
            for tailer in tailers:
                tailer.start()
            for tailer in tailers:
                tailer.wait_until_it_follows()
            server.start()
            truth, acknowledged = story(net, server, tailers)
            for tailer in tailers:
                compare(tailer, truth, acknowledged)
                if (server.name, tailer.source) in TELLS_VENDOR_CLASS:
                    assert tailer.vendor_classes() == {"iDRAC"}, tailer.source
            expire(server, tailers)
        finally:
            server.stop()
            for tailer in tailers:
                tailer.end()


def story(net: Lab, server: Server, tailers: list[Tailer]) -> tuple[Truth, int]:
    truth = life_of_a(net, net.folder / "a")
    for tailer in tailers:
        tailer.kill()
    truth += life_of(net, net.folder / "b", B)  # while nobody reads
    server.rotate()
    for tailer in tailers:
        tailer.start()
    truth += life_of(net, net.folder / "c", C)
    server.restart()
    truth += life_of(net, net.folder / "d", D)
    return truth, net.storm(STORM)


def compare(tailer: Tailer, truth: Truth, acknowledged: int) -> None:
    """Each lease that udhcpc got is one run; each that perfdhcp got is one, of a machine of its own."""
    expected = sum(truth.values()) + acknowledged
    until(lambda: sum(tailer.leases().values()) >= expected, f"{expected} runs of {tailer.source}; {tailer.said()}")
    time.sleep(0.5)
    found = tailer.leases()
    stormed = {mac for mac, _ in found if mac.startswith("02:aa:")}
    assert {key: number for key, number in found.items() if key[0] not in stormed} == dict(truth), tailer.source
    assert sum(found[key] for key in found if key[0] in stormed) == len(stormed) == acknowledged, tailer.source
    # What was on the queue when the tailer was killed, and not in its checkpoint yet, was met again there.
    until(lambda: told(tailer.counts()) >= expected, f"the counts of {tailer.source}: {tailer.counts()}")
    counts = tailer.counts()
    assert counts["queued"] <= expected, (tailer.source, counts)
    assert counts["renewal"] >= 1, (tailer.source, counts)
    assert counts["released"] == 1, (tailer.source, counts)
    assert counts["malformed"] == 0, (tailer.source, counts)


def told(counts: dict[str, int]) -> int:
    return counts["queued"] + counts["duplicate"]


def expire(server: Server, tailers: list[Tailer]) -> None:
    """Machines that went without a word lose their leases in the end."""
    for tailer in tailers:
        if tailer.source in TELLS_EXPIRY:
            until(
                lambda tailer=tailer: tailer.counts()["expired"] >= 4,  # type: ignore[misc]
                f"the expiries of {tailer.source}: {tailer.counts()}",
                server.lease_s + 60,
            )
