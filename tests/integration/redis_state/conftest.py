"""A Redis as `bringup redis-conf` configures it, plain and with TLS, and an API process that fills it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.redis_state.filled import Filled


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def filled(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Filled]:
    made = Filled(tmp_path, use_tls=request.param)
    with made.stack:
        made.start()
        yield made
