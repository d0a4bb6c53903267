"""``python -m tests.e2e.deploy``: from an empty Debian 12 to production, and what happens to a site there."""

import shutil
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from tests.e2e.deploy import certificates, confinement, flips, losses, site, upgrade
from tests.e2e.deploy.machines import Image, Machine
from tests.e2e.site.network import Network


def main() -> int:
    parser = ArgumentParser()
    parser.add_argument("--cache", type=Path, required=True, help="keeps the Debian between runs")
    parser.add_argument("--source", type=Path, required=True, help="a release, or wheels: bringup and what it needs")
    parser.add_argument("--next", type=Path, required=True, help="a release of the next version")
    parser.add_argument("--machines", type=int, default=320, help="of the flips")
    parser.add_argument("--pause", action="store_true", help="after a failure, keep the hosts until Ctrl-C")
    options = parser.parse_args()
    scratch, network = Path(tempfile.mkdtemp(prefix="bringup-deploy-")), Network("h1", "w1")
    hosts: list[Machine] = []
    try:
        play(options, scratch, network, hosts)
    except (site.Failed, AssertionError, subprocess.CalledProcessError) as failure:
        site.say(f"FAILED: {failure}")
        if options.pause:
            pause(hosts)
        return 1
    finally:
        for host in hosts:
            host.remove()
        network.remove()
        shutil.rmtree(scratch)
    site.say("passed")
    return 0


def play(options: Namespace, scratch: Path, network: Network, hosts: list[Machine]) -> None:
    """The whole of it. Raises Failed: a promise was not kept.

    Args:
        options: of the command line.
        scratch: for the hosts' files.
        network: of the hosts.
        hosts: gets those that are booted, the first host first.
    """
    image, source = Image(options.cache), options.source.absolute()
    binds = [source, options.next.absolute()]
    for name in ("h1", "w1"):
        hosts.append(Machine(image, scratch, network, name, binds))  # noqa: PERF401 - one that boots is removed
    ca, other = hosts
    site.first_host(ca, source)
    site.second_host(ca, other, source)
    confinement.check(ca, network.gateway)
    site.trust_ssh(ca, other)
    site.permit_simulated_machines(hosts)
    site.adds_roles(ca)
    rows = under_load(hosts, network, scratch, options)
    certificates.rolled_over(hosts)
    certificates.renewed(hosts)
    certificates.revoked(ca, other)
    site.removed_and_back(ca)
    again = scratch / "again"
    again.mkdir()
    losses.restored(hosts, source, lambda: Machine(image, again, network, ca.name, [source]))
    sys.stdout.write("\n".join(["| what | runs in flight | API away | passed |", "|---|---|---|---|", *rows, ""]))


def under_load(hosts: list[Machine], network: Network, scratch: Path, options: Namespace) -> list[str]:
    """Flips, a flip that goes back, an upgrade and its rollback, and the loss of a host: the rows of the table."""
    ca, other = hosts
    flipped = options.machines
    upgraded = flipped + flips.UPGRADE_MACHINES
    loaded = flips.Load(ca, network.gateway, scratch, upgraded + flips.LOST_HOST_MACHINES)
    try:
        rows = flips.flips_under_load(ca, loaded, range(flipped))
        flips.goes_back(ca)
        site.flip(ca, "production")
        rows += upgrade.upgraded(hosts, loaded, range(flipped, upgraded), options.next)
        return [*rows, losses.host_lost(other, loaded, range(upgraded, loaded.machines))]
    finally:
        loaded.close()


def pause(hosts: list[Machine]) -> None:
    """Until Ctrl-C."""
    for host in hosts:
        site.say(f"{host.name}: {' '.join(host.entering)} bash")
    try:
        while True:
            time.sleep(60)
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    sys.exit(main())
