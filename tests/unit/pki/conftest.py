"""A PKI for each test: making one takes twenty times as long as copying one."""

from pathlib import Path

import pytest

from pki.store import Store
from tests.unit.pki import kit


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A PKI with its three standard identities, in order. No test changes it."""
    return kit.init_pki(tmp_path_factory.mktemp("ready") / "pki")


@pytest.fixture
def store(ready: Store, tmp_path: Path) -> Store:
    """Such a PKI that a test may change."""
    return kit.copy_of(ready, tmp_path / "pki")
