"""What `bringup site upgrade` takes: a bundle that is whole, signed, and for a host such as this one."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from bringup_cli.site import upgrade_bundle
from bringup_cli.site.upgrade_bundle import UpgradeRefused, unpack, verified
from tests.integration.packages.test_install import make_key

DEBIAN_12 = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n'


class Release:
    """A bundle of a few files, signed; and the .tar that holds it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tar, self.place = folder / "bringup-0.2.0", folder / "bundle.tar", folder / "upgrades/bundle"
        (self.folder / "debs").mkdir(parents=True)
        self.place.parent.mkdir()
        (self.folder / "debs/bringup-0.2.0_0.2.0_amd64.deb").write_text("a package")
        (self.folder / "install").write_text("#!/bin/sh\n")
        self.key, self.signers = make_key(folder, "ours")
        self.describe()

    def describe(self, **changes: str) -> None:
        """Write what it is, and sign it."""
        about = {"version": "0.2.0", "system": "debian 12", "architecture": "amd64"} | changes
        (self.folder / "release.json").write_text(json.dumps(about))
        self.sum()
        sums = self.folder / "SHA256SUMS"
        sums.with_suffix(".sig").unlink(missing_ok=True)
        subprocess.run(
            ["ssh-keygen", "-Y", "sign", "-q", "-f", str(self.key), "-n", "bringup-release", sums], check=True
        )

    def sum(self) -> None:
        """The checksums of what is there."""
        files = [path for path in sorted(self.folder.rglob("*")) if path.is_file() and "SHA256SUMS" not in path.name]
        lines = [
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(self.folder)}\n" for path in files
        ]
        (self.folder / "SHA256SUMS").write_text("".join(lines))

    def pack(self) -> Path:
        subprocess.run(["tar", "-c", "-f", self.tar, "-C", self.folder.parent, self.folder.name], check=True)
        return self.tar


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    monkeypatch.setattr(upgrade_bundle, "_os_release", lambda: DEBIAN_12)
    monkeypatch.setattr(upgrade_bundle, "_ARCHITECTURES", {os.uname().machine: "amd64"})
    return Release(tmp_path)


@pytest.mark.parametrize("form", ["tar", "folder", "stream"])
def test_a_signed_bundle_is_taken_in_each_form(release: Release, form: str) -> None:
    if form == "stream":
        unpack(release.pack().open("rb"), release.place)
    else:
        unpack(release.pack() if form == "tar" else release.folder, release.place)
    found = verified(release.place, release.signers)
    assert (found.version, found.folder) == ("0.2.0", release.place)
    assert verified(release.place, digest=found.digest) == found
    assert [path.name for path in release.place.parent.iterdir()] == ["bundle"]


def test_another_bundle_replaces_the_one_that_is_there(release: Release) -> None:
    unpack(release.folder, release.place)
    (release.place / "left").touch()
    unpack(release.folder, release.place)
    assert not (release.place / "left").exists()


def test_a_changed_file_is_refused(release: Release) -> None:
    (release.folder / "debs/bringup-0.2.0_0.2.0_amd64.deb").write_text("another package")
    with pytest.raises(UpgradeRefused, match=r"bringup-0\.2\.0_0\.2\.0_amd64\.deb is damaged"):
        verified(release.folder)


def test_a_missing_file_is_refused(release: Release) -> None:
    (release.folder / "install").unlink()
    with pytest.raises(UpgradeRefused, match="install is damaged, missing"):
        verified(release.folder)


@pytest.mark.parametrize("is_link", [False, True])
def test_what_no_checksum_covers_is_refused(release: Release, *, is_link: bool) -> None:
    path = release.folder / "debs/extra.deb"
    path.symlink_to("/etc/passwd") if is_link else path.touch()
    with pytest.raises(UpgradeRefused, match=r"extra\.deb is damaged, missing, or not named in SHA256SUMS"):
        verified(release.folder)


def test_a_link_in_place_of_a_file_is_refused(release: Release, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("#!/bin/sh\n")
    (release.folder / "install").unlink()
    (release.folder / "install").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UpgradeRefused, match="install is damaged"):
        verified(release.folder)


def test_checksums_that_were_made_anew_are_refused_where_signers_are_named(release: Release) -> None:
    (release.folder / "install").write_text("#!/bin/sh\nof a stranger\n")
    release.sum()
    verified(release.folder)  # without signers nobody can notice
    with pytest.raises(UpgradeRefused, match="not signed by a key of"):
        verified(release.folder, release.signers)


def test_a_signature_of_another_key_is_refused(release: Release, tmp_path: Path) -> None:
    _, strangers = make_key(tmp_path, "strangers")
    with pytest.raises(UpgradeRefused, match="not signed by a key of"):
        verified(release.folder, strangers)


def test_a_bundle_without_signature_is_refused_where_signers_are_named(release: Release) -> None:
    (release.folder / "SHA256SUMS.sig").unlink()
    with pytest.raises(UpgradeRefused, match="not signed by a key of"):
        verified(release.folder, release.signers)


def test_another_bundle_than_the_one_that_was_verified_is_refused(release: Release) -> None:
    digest = verified(release.folder).digest
    release.describe(version="0.2.1")
    with pytest.raises(UpgradeRefused, match="another bundle"):
        verified(release.folder, digest=digest)


@pytest.mark.parametrize("changes", [{"system": "debian 13"}, {"system": "ubuntu 12"}, {"architecture": "arm64"}])
def test_a_bundle_for_another_system_is_refused(release: Release, changes: dict[str, str]) -> None:
    release.describe(**changes)
    with pytest.raises(UpgradeRefused, match="this host has debian 12 on amd64"):
        verified(release.folder)


def test_a_bundle_that_does_not_name_its_version_is_refused(release: Release) -> None:
    (release.folder / "release.json").write_text("{}")
    release.sum()
    with pytest.raises(UpgradeRefused, match="of an older version"):
        verified(release.folder)


@pytest.mark.parametrize("what", ["text", "folder", "empty tar"])
def test_what_is_no_bundle_leaves_nothing_behind(release: Release, tmp_path: Path, what: str) -> None:
    path = tmp_path / "given"
    if what == "folder":
        path.mkdir()
    elif what == "text":
        path.write_text("no archive")
    else:
        subprocess.run(["tar", "-c", "-f", path, "-T", "/dev/null"], check=True)
    with pytest.raises(UpgradeRefused, match=r"bundle of a release|no \.tar of a release"):
        unpack(path, release.place)
    assert not list(release.place.parent.iterdir())


def test_nothing_is_written_outside_of_the_folder(release: Release, tmp_path: Path) -> None:
    hostile = tmp_path / "hostile.tar"
    escaping = ["--transform", "s|.*/install|a/../../escaped|", str(release.folder / "install")]
    subprocess.run(["tar", "-c", "-P", "-f", str(hostile), *escaping], check=True)
    with pytest.raises(UpgradeRefused):
        unpack(hostile, release.place)
    assert not list(tmp_path.rglob("escaped"))
