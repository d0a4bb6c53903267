"""A world for each test, with limits small enough for tests."""

from collections.abc import Callable

import pytest

from bringup.settings import Settings
from tests.unit.workers.fakes import World


@pytest.fixture
def fast_settings(make_settings: Callable[..., Settings]) -> Settings:
    """Settings with three tries for a BMC."""
    return make_settings(bmc_tries=3)


@pytest.fixture
def world(fast_settings: Settings) -> World:
    """An approved machine that is off, with a run that waits for its boot."""
    return World(fast_settings)
