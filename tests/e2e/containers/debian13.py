"""A host with Debian 13, systemd as PID 1 and podman 5: Debian 12's podman 4.3 does not know quadlets.

As a command it makes the Debian, which needs a network: python -m tests.e2e.containers.debian13 FOLDER
"""

import sys
from pathlib import Path

from tests.e2e.deploy.machines import Image, Machine
from tests.e2e.site.network import Network

_PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "iproute2", "procps"),
    *("podman", "crun", "netavark", "passt", "ca-certificates"),
)
# Without them podman would ask the kernel for limits, keys and a firewall, which systemd-nspawn does not give.
_CONTAINERS_CONF = """\
[containers]
pids_limit = 0
keyring = false
"""


def image(folder: Path) -> Image:
    """The Debian of the host, which stays in a folder.

    Args:
        folder: kept between runs; 600 MB.
    """
    return Image(folder, "trixie", _PACKAGES, ())


def boot(folder: Path, scratch: Path, network: Network, name: str, binds: list[Path]) -> Machine:
    """A host of it.

    Args:
        folder: of the image.
        scratch: for its files.
        network: it has an address there.
        name: of the host.
        binds: folders of this computer that it sees, read-only, under /srv.
    """
    # Not in its own root, which is an overlay: the kernel refuses one on top of another.
    storage = scratch / "storage"
    storage.mkdir()
    machine = Machine(image(folder), scratch, network, name, binds, options=[f"--bind={storage}:/var/lib/containers"])
    (machine.root / "etc/containers/containers.conf").write_text(_CONTAINERS_CONF)
    return machine


if __name__ == "__main__":
    image(Path(sys.argv[1]))
