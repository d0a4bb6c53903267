"""The bundle's `install` refuses what is not the release, before apt is asked for anything."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

INSTALL = Path(__file__).parents[3] / "scripts/package/install"


def make_key(folder: Path, name: str) -> tuple[Path, Path]:
    """A key, and a file of signers that names it alone."""
    key, signers = folder / name, folder / f"{name}.signers"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    signers.write_text(f"release {key.with_suffix('.pub').read_text()}")
    return key, signers


class Bundle:
    """A bundle of two files, signed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tools, self.asked = folder / "bundle", folder / "tools", folder / "apt-was-asked"
        for path in (self.folder / "debs", self.tools):
            path.mkdir(parents=True)
        for name, does in {"id": "echo 0", "apt-get": f"touch {self.asked}; exit 1"}.items():
            (self.tools / name).write_text(f"#!/bin/sh\n{does}\n")
            (self.tools / name).chmod(0o755)
        shutil.copy(INSTALL, self.folder / "install")
        (self.folder / "debs/bringup-1.0_1.0_amd64.deb").write_text("a package")
        self.key, self.signers = make_key(folder, "ours")
        names = ("debs/bringup-1.0_1.0_amd64.deb", "install")
        sums = "".join(f"{hashlib.sha256((self.folder / one).read_bytes()).hexdigest()}  {one}\n" for one in names)
        (self.folder / "SHA256SUMS").write_text(sums)
        sign = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(self.key), "-n", "bringup-release"]
        subprocess.run([*sign, str(self.folder / "SHA256SUMS")], check=True)

    def install(self, *arguments: object) -> str:
        """What it reported; it has failed."""
        env = {"PATH": f"{self.tools}:{os.environ['PATH']}"}
        words = [str(self.folder / "install"), *map(str, arguments)]
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode != 0
        return done.stderr


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle(tmp_path)


def test_an_untouched_bundle_reaches_apt(bundle: Bundle) -> None:
    bundle.install("--signers", bundle.signers)
    assert bundle.asked.exists()


def test_a_changed_file_is_refused(bundle: Bundle) -> None:
    (bundle.folder / "debs/bringup-1.0_1.0_amd64.deb").write_text("another package")
    assert "damaged or missing" in bundle.install()
    assert not bundle.asked.exists()


def test_a_missing_file_is_refused(bundle: Bundle) -> None:
    (bundle.folder / "debs/bringup-1.0_1.0_amd64.deb").unlink()
    assert "damaged or missing" in bundle.install()
    assert not bundle.asked.exists()


def test_a_file_that_no_checksum_covers_is_refused(bundle: Bundle) -> None:
    (bundle.folder / "debs/extra.deb").write_text("of a stranger")
    assert "does not name" in bundle.install()
    assert not bundle.asked.exists()


def test_a_signature_of_another_key_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    _, strangers = make_key(tmp_path, "strangers")
    assert "not signed by a key" in bundle.install("--signers", strangers)
    assert not bundle.asked.exists()


def test_checksums_that_were_made_anew_are_refused_where_signers_are_named(bundle: Bundle) -> None:
    (bundle.folder / "debs/bringup-1.0_1.0_amd64.deb").write_text("another package")
    digest = hashlib.sha256(b"another package").hexdigest()
    own = hashlib.sha256(INSTALL.read_bytes()).hexdigest()
    (bundle.folder / "SHA256SUMS").write_text(f"{digest}  debs/bringup-1.0_1.0_amd64.deb\n{own}  install\n")
    assert "not signed by a key" in bundle.install("--signers", bundle.signers)
    assert not bundle.asked.exists()


def test_a_bundle_without_signature_is_refused_where_signers_are_named(bundle: Bundle) -> None:
    (bundle.folder / "SHA256SUMS.sig").unlink()
    assert "not signed by a key" in bundle.install("--signers", bundle.signers)
    assert not bundle.asked.exists()


@pytest.mark.parametrize("arguments", [("--signers",), ("--only",), ("--bogus", "x")])
def test_a_misspelt_option_is_refused(bundle: Bundle, arguments: tuple[str, ...]) -> None:
    assert "install:" in bundle.install(*arguments)
    assert not bundle.asked.exists()
