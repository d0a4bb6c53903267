"""A release: built twice it is the same, and its bundle installs on a Debian 12 that has no network."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bringup import __version__

ROOT = Path(__file__).parents[3]
MIRROR = "http://deb.debian.org/debian"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "release"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "release", "-f", path], check=True)
    return path


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Path:
    """What `scripts/release --check` has made: it fails where the second build has other bytes."""
    output = tmp_path_factory.mktemp("release") / "out"
    command = [str(ROOT / "scripts/release"), "--check", "--output", str(output), "--key", str(key)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "two builds, the same bytes" in done.stderr
    return output


class Host:
    """A Debian 12 of its own, with the loopback interface as its only network."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "debian12"
        command = ["debootstrap", "--variant=minbase", "bookworm", str(self.root), MIRROR]
        subprocess.run(command, check=True, capture_output=True, timeout=900)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        inside = (
            f"ip link set lo up && mount -t proc proc {self.root}/proc && exec chroot {self.root} sh -c '{command}'"
        )
        env = {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "HOME": "/root", "LANG": "C.UTF-8"}
        words = ["unshare", "--net", "--mount", "--pid", "--fork", "sh", "-c", inside]
        return subprocess.run(words, env=env, capture_output=True, text=True, timeout=900, check=False)

    def must(self, command: str) -> str:
        done = self.run(command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, release: Path) -> Iterator[Host]:
    """It has the bundle in /srv/bringup, unpacked."""
    folder = tmp_path_factory.mktemp("host")
    found = Host(folder)
    bundle = found.root / "srv/bringup"
    bundle.mkdir()
    (archive,) = release.glob("bringup-*-debian12-amd64.tar")
    subprocess.run(["tar", "-x", "--strip-components=1", "-C", bundle, "-f", archive], check=True)
    yield found
    shutil.rmtree(folder)


def test_the_checksum_file_names_every_file_and_is_signed(release: Path, key: Path, tmp_path: Path) -> None:
    signers = tmp_path / "signers"
    signers.write_text(f"release {key.with_suffix('.pub').read_text()}")
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=release, check=True, capture_output=True)
    verify = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", "release", "-n", "bringup-release"]
    with (release / "SHA256SUMS").open() as sums:
        subprocess.run([*verify, "-s", str(release / "SHA256SUMS.sig")], stdin=sums, check=True, capture_output=True)
    named = {line.split("  ")[1] for line in (release / "SHA256SUMS").read_text().splitlines()}
    assert named == {path.name for path in release.iterdir()} - {"SHA256SUMS", "SHA256SUMS.sig"}


@pytest.fixture(scope="module")
def installed(host: Host) -> Host:
    """The same host, once `install` has run."""
    host.must("/srv/bringup/install")
    return host


def test_the_bundle_installs_without_a_network_and_shows_the_whole_chain(installed: Host) -> None:
    assert f"version {__version__}" in installed.must("bringup --version")
    assert not installed.must(f"dpkg --verify bringup-{__version__}")
    assert "passed" in installed.must("cd /tmp && bringup demo").lower()


def test_every_library_of_the_package_can_be_loaded(installed: Host) -> None:
    unresolved = 'find /usr/lib/bringup -name "*.so*" -type f -exec ldd {} + | grep "not found"'
    assert installed.run(unresolved).returncode == 1


def test_the_package_holds_every_wheel_of_the_bundle(installed: Host) -> None:
    names = {path.name for path in (installed.root / "srv/bringup/wheels").glob("*.whl")}
    found = installed.must(f"ls -d /usr/lib/bringup/{__version__}/lib/python3.11/site-packages/*.dist-info").split()
    assert len(names) == len(found)


def test_a_second_install_of_the_same_version_unpacks_nothing(installed: Host) -> None:
    log = installed.root / "var/log/dpkg.log"
    before = log.read_text()
    assert f" install bringup-{__version__}:" in before
    installed.must("/srv/bringup/install --only bringup")
    assert f"bringup-{__version__}" not in log.read_text().removeprefix(before)


def test_a_removed_package_leaves_nothing_behind(installed: Host) -> None:
    installed.must(f"dpkg --purge bringup-{__version__} && ! test -e /usr/lib/bringup && ! test -e /usr/bin/bringup")
