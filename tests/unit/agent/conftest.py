"""A whole machine, and a stage for the agent to act on."""

from pathlib import Path

import pytest

from tests.unit.agent.tree import Stage, Tree, whole


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return whole(tmp_path)


@pytest.fixture
def stage() -> Stage:
    return Stage()
