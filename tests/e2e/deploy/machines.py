"""Hosts that are systemd-nspawn containers of a Debian 12, each with systemd as PID 1 and a network of its own."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from tests.e2e.site.network import Network

# What a Debian 12 needs besides its base: what docs/production.md has a person install, and what makes it boot here.
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "python3", "python3-venv", "redis-server", "openssl"),
    *("iproute2", "ca-certificates", "procps", "openssh-server", "openssh-client"),
)
# What Debian starts by itself and has no place here: the first has our port, the others want the Internet.
_NOT_WANTED = ("redis-server.service", "apt-daily.timer", "apt-daily-upgrade.timer", "systemd-networkd.service")
_ENVIRONMENT = ("env", "-i", "-C", "/", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root")
# Seconds for a host to boot on a busy computer.
_BOOT_S = 120
# A control group of its own for each host: in a common one their services, which have the same names, would be those of
# both. The unified hierarchy alone: with it systemd can bound the addresses that a unit reaches (IPAddressDeny=).
_IN_GROUP = (
    "mount --make-rprivate / && umount --recursive /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && "
    'mkdir -p "/sys/fs/cgroup/$0" && echo $$ > "/sys/fs/cgroup/$0/cgroup.procs" && exec "$@"'
)
_REMOVE_GROUP = 'mount -t cgroup2 cgroup2 /mnt && find "/mnt/$0" -depth -type d -exec rmdir {} +'
_MIRROR = "http://deb.debian.org/debian"
_NAMESPACES = ("net", "pid", "mnt", "uts", "ipc")


class Image:
    """A Debian, made once and kept in a folder.

    Args:
        folder: kept between runs; 400 MB.
        suite: the release of Debian.
        packages: what it has besides its base.
        not_wanted: its units that do not start.
    """

    def __init__(
        self,
        folder: Path,
        suite: str = "bookworm",
        packages: Iterable[str] = PACKAGES,
        not_wanted: Iterable[str] = _NOT_WANTED,
    ) -> None:
        self.root = folder / suite
        done = folder / f"{suite}.done"
        if not done.exists():
            shutil.rmtree(self.root, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            command = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}"]
            command += [suite, str(self.root), _MIRROR]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            for unit in not_wanted:
                subprocess.run(["systemctl", f"--root={self.root}", "disable", "--quiet", unit], check=True)
            done.touch()


class Machine:
    """One host, booted.

    Args:
        image: what it begins from.
        folder: where its own files go.
        network: it has an address there.
        name: of the host.
        binds: folders of this computer that it sees, read-only, under /srv.
        options: of systemd-nspawn, besides those that every host has.
    """

    def __init__(
        self,
        image: Image,
        folder: Path,
        network: Network,
        name: str,
        binds: Iterable[Path] = (),
        *,
        options: Iterable[str] = (),
    ) -> None:
        self.name, self.address, self.root = name, network.address(name), folder / name
        self._options = [*(f"--bind-ro={path}:/srv/{path.name}" for path in binds), *options]
        self._namespace = f"/run/netns/{network.on(name)[-1]}"
        self._log = folder / f"{name}.console"
        upper, work = folder / f"{name}.upper", folder / f"{name}.work"
        for path in (self.root, upper, work):
            path.mkdir()
        layers = f"lowerdir={image.root},upperdir={upper},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self.root)], check=True)
        (self.root / "etc/hostname").write_text(f"{name}\n")
        (self.root / "etc/machine-id").write_text("")
        self._group = f"bringup-deploy-{os.getpid()}-{name}"
        self._process: subprocess.Popen[bytes] | None = None
        # A way out that leads nowhere, as in a network without the Internet: by it a host finds its own address.
        self._gateway = network.gateway
        self.boot()

    def boot(self) -> None:
        """Switch it on, and return when it has booted."""
        command = [
            *("unshare", "--mount", "sh", "-c", _IN_GROUP, self._group),
            *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", f"--directory={self.root}"),
            *(f"--machine={self.name}", f"--network-namespace-path={self._namespace}", *self._options),
            *("--capability=CAP_BPF,CAP_NET_ADMIN", "--system-call-filter=bpf"),
            *("--console=pipe", "--boot", "systemd.unit=multi-user.target", "systemd.show_status=no"),
        ]
        environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        deadline = time.monotonic() + _BOOT_S
        # Not by the exit status: that of a degraded host is nsenter's own, too, when a helper of nspawn has just ended.
        while self.try_to("systemctl", "is-system-running", "--wait").stdout.strip() not in {"running", "degraded"}:
            assert time.monotonic() < deadline, self._log.read_text(errors="replace")[-2000:]
            assert self._process.poll() is None, self._log.read_text(errors="replace")[-2000:]
            time.sleep(0.5)
        self.run("ip", "route", "replace", "default", "via", self._gateway)

    @property
    def entering(self) -> list[str]:
        """What a command is preceded by, to run on it; its first process must be there."""
        return ["nsenter", "--target", str(self._first_process()), "--all", *_ENVIRONMENT]

    def try_to(self, *command: str, timeout_s: float | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command on it, whatever comes of it."""
        if self._first_process() is None:
            return subprocess.CompletedProcess(command, 255, "", "not booted yet")
        return subprocess.run(
            [*self.entering, *command], capture_output=True, text=True, check=False, timeout=timeout_s
        )

    def run(self, *command: str) -> str:
        """What a command printed, which must succeed."""
        done = self.try_to(*command)
        assert done.returncode == 0, f"{self.name}: {' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def switch_off(self) -> None:
        """As by its power button, held: nothing is written any more."""
        assert self._process
        os.kill(self._first_process() or self._process.pid, 9)
        self._process.wait(60)

    def remove(self) -> None:
        """Switch it off, and forget its files."""
        self.switch_off()
        subprocess.run(["umount", "--lazy", str(self.root)], check=True)
        subprocess.run(["unshare", "--mount", "sh", "-c", _REMOVE_GROUP, self._group], check=False)

    def _first_process(self) -> int | None:
        """Process number here of its PID 1."""
        assert self._process
        path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        words = path.read_text().split() if path.exists() else []
        return next((process for process in map(int, words) if _is_apart(process)), None)


def _is_apart(process: int) -> bool:
    """Whether it is in namespaces of its own: by a helper of nspawn a command would act on this computer."""
    ours, its = Path("/proc/self/ns"), Path(f"/proc/{process}/ns")
    try:
        return all((its / kind).readlink() != (ours / kind).readlink() for kind in _NAMESPACES)
    except OSError:  # it has ended
        return False
