"""What is on record stays on record when Redis restarts, under the configuration that we write for it."""

import signal
import time

import pytest

from tests.integration.redis_state.filled import Filled


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["clean", "killed"])
def test_a_restart_loses_nothing(filled: Filled, how: signal.Signals) -> None:
    filled.fill()
    before = filled.held()
    filled.stack.stop("redis", how)
    filled.stack.run_redis()
    assert filled.held() == before
    assert filled.redis("worker").llen("rq:queue:leases") == 1


def test_a_restart_after_the_append_only_file_was_rewritten_loses_nothing(filled: Filled) -> None:
    filled.fill()
    keeper = filled.keeper()
    keeper.bgrewriteaof()
    deadline = time.monotonic() + 180
    while keeper.info("persistence")["aof_rewrite_in_progress"] or not keeper.info("persistence")["aof_rewrites"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    filled.ok("PATCH", "/devices/b", {"maintenance": "after the rewrite"})
    before = filled.held()
    filled.stack.stop("redis")
    filled.stack.run_redis()
    assert filled.held() == before
