"""A PKI for each test."""

from pathlib import Path

import pytest

from pki.store import Store
from tests.unit.pki import kit


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """With its three standard identities."""
    return kit.init_pki(tmp_path / "pki")
