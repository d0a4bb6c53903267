"""What a backup may hold: plain files below its two folders, each once."""

import gzip
import io
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from bringup_cli.backup.archive import BackupManifest, BackupRefused, StoredFile, StoredFolder, _members, opened, sealed
from bringup_cli.root import cli


def packed(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return gzip.compress(buffer.getvalue())


def plain(name: str, mode: int = 0o600) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = 1, mode
    return member


def of_kind(name: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc/passwd"
    return member


def test_plain_files_are_taken() -> None:
    found = _members(packed(plain("manifest.json"), plain("config/pki/ca/ca-key.pem"), plain("redis/users.acl")))
    assert [file.content for file in found.values()] == [b"x"] * 3


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x", "config/../../x", "other/x", "config", "x", "config/..", "redis/a/../../../x"]
)
def test_a_name_outside_of_the_two_folders_is_refused(name: str) -> None:
    with pytest.raises(BackupRefused, match="no plain file"):
        _members(packed(plain(name)))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_what_is_no_plain_file_is_refused(kind: bytes) -> None:
    with pytest.raises(BackupRefused, match="no plain file"):
        _members(packed(of_kind("config/x", kind)))


def test_a_name_that_is_there_twice_is_refused() -> None:
    with pytest.raises(BackupRefused, match="there twice"):
        _members(packed(plain("config/x"), plain("config/x")))


def test_no_file_comes_back_with_the_rights_of_its_owner() -> None:
    assert _members(packed(plain("config/x", 0o4755)))["config/x"].mode == 0o755


def test_a_file_that_is_no_backup_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a backup")
    (tmp_path / "passphrase").write_text("correct horse battery staple\n")
    words = ["restore", str(tmp_path / "notes.txt"), "--passphrase-file", str(tmp_path / "passphrase"), "--dry-run"]
    assert "notes.txt: " in str(CliRunner().invoke(cli, words).exception)


def test_contents_that_its_manifest_does_not_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plainly = SimpleNamespace(encrypt=lambda data, _: data, decrypt=lambda data, _: data)
    monkeypatch.setattr("bringup_cli.sealed_file.pyrage.passphrase", plainly)
    made_at = datetime(2026, 11, 29, tzinfo=UTC)
    manifest = BackupManifest(version="1", host="h", made_at=made_at, folder=Path("/a"), redis=Path("/b"), db=0)
    files = {"config/x": StoredFile(b"x")}
    assert opened(sealed(manifest, files, "p"), "p")[1].keys() == files.keys()
    with monkeypatch.context() as patch:
        patch.setattr("bringup_cli.backup.archive._digest", lambda _: "0" * 64)
        altered = sealed(manifest, files, "p")
    with pytest.raises(BackupRefused, match="altered"):
        opened(altered, "p")


def test_a_host_too_slow_to_open_a_backup_is_not_taken_for_a_wrong_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    """age bounds the work by the speed of this host at this moment; 2^40 is too much for any."""
    monkeypatch.setattr("bringup_cli.sealed_file._PAUSE_S", 0)
    text = b"age-encryption.org/v1\n-> scrypt " + b"A" * 22 + b" 40\n" + b"A" * 43 + b"\n--- " + b"A" * 43 + b"\n"
    with pytest.raises(BackupRefused, match=r"Excessive work .* too slow or too busy"):
        opened(text + bytes(32), "p")


def test_what_does_not_fit_into_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf", lambda _name: 1000)
    with pytest.raises(BackupRefused, match="does not fit into the memory"):
        _members(gzip.compress(bytes(1_000_000)))


@pytest.mark.parametrize(
    "outside",
    [
        {"links": {"../../users.acl": "users.acl"}},
        {"links": {"a\0b": "users.acl"}},
        {"folders": {"config/../..": StoredFolder(mode=0o777, owner="")}},
        {"folders": {"/etc": StoredFolder(mode=0o777, owner="")}},
    ],
)
def test_a_manifest_that_names_what_is_outside_of_the_two_folders_is_refused(
    outside: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("encrypt", "decrypt"):  # takes a second each
        monkeypatch.setattr(f"pyrage.passphrase.{name}", lambda data, _passphrase: data)
    manifest = BackupManifest(
        version="1",
        host="r1",
        made_at=datetime(2026, 11, 29, tzinfo=UTC),
        folder=Path("/etc/bringup"),
        redis=Path("/var/lib/bringup/redis"),
        db=0,
        **outside,
    )
    with pytest.raises(BackupRefused, match="outside of its two folders"):
        opened(sealed(manifest, {}, "passphrase"), "passphrase")
