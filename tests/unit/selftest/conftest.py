"""A subject that nothing is ever asked of."""

import pytest

from bringup.selftest.language import Heard, Language
from bringup.selftest.subject import Subject
from tests.conftest import MakeSettings


@pytest.fixture
def subject(make_settings: MakeSettings) -> Subject:
    made = Subject(make_settings())
    made.redis_heard = made.api_heard = Heard(Language.PLAIN, "+PONG")
    return made
