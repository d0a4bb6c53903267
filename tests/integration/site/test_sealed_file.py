"""A sealed file, made and opened with the work factor of real ones."""

import pytest

from bringup_cli import sealed_file
from bringup_cli.site import bundle


def test_a_sealed_file_shows_nothing_and_is_opened_by_its_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_file, "_TRIES", 100)  # age takes a machine that stalls for a slow one, and refuses
    sealed = sealed_file.seal(b"contents", "the right passphrase")
    assert b"contents" not in sealed
    assert bundle.unseal(sealed, "the right passphrase") == b"contents"
