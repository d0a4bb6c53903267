"""A subject that nothing is ever asked of."""

import pytest

from selftest.protocol_probe import Heard, Language
from selftest.target_installation import Subject
from tests.conftest import MakeSettings


@pytest.fixture
def subject(make_settings: MakeSettings) -> Subject:
    made = Subject(make_settings())
    made.redis_heard = made.api_heard = Heard(Language.PLAIN, "+PONG")
    return made
