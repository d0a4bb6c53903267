"""A founded PKI for each test: founding takes twenty times as long as copying what was founded once."""

from pathlib import Path

import pytest

from pki.store import Store
from tests.unit.pki import kit


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A PKI with its three standard identities, in order. Nobody changes it."""
    return kit.found(tmp_path_factory.mktemp("founded") / "pki")


@pytest.fixture
def store(founded: Store, tmp_path: Path) -> Store:
    """Such a PKI that a test may change."""
    return kit.copy_of(founded, tmp_path / "pki")
