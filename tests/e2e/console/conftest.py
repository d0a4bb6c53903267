"""A real browser (Chromium) looks at the demonstration: ``scripts/e2e-console`` runs this, and nothing else."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

collect_ignore_glob = [] if os.environ.get("BRINGUP_E2E_CONSOLE") else ["test_*.py"]


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where pictures of the pages go."""
    folder = Path(os.environ["BRINGUP_E2E_FOLDER"]) / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "tls"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator["object"]:
    """The demonstration with its page, before any machine has asked for an address, and a browser."""
    from tests.e2e.console.lab import running  # noqa: PLC0415 - its library is there with scripts/e2e-console alone

    with running(tmp_path_factory.mktemp("demo"), use_tls=request.param) as made:
        yield made
