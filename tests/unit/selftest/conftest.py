"""A target that no probe is ever sent to."""

import pytest

from selftest.protocol_probe import Detected, Protocol
from selftest.target_installation import TargetInstallation
from tests.conftest import MakeSettings


@pytest.fixture
def target(make_settings: MakeSettings) -> TargetInstallation:
    made = TargetInstallation(make_settings())
    made.redis.detected = made.api.detected = Detected(Protocol.PLAIN, "+PONG")
    return made
