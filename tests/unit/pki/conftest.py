"""A founded PKI. Founding takes milliseconds, so every test has one of its own."""

from pathlib import Path

import pytest

from pki.store import Store
from tests.unit.pki import kit


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A PKI with its three standard identities, in order."""
    return kit.found(tmp_path / "pki")
