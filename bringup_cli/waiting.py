"""Waiting for the verdict of a run, for scripts: the exit status is the verdict."""

import time

from bringup import errors, model
from bringup.connections.api_client import ApiClient
from bringup.wire.run import RunDetail

# 1 and 2 are what every command ends with when it fails or is used wrongly.
EXIT_OF = {
    model.RunState.PASSED: 0,
    model.RunState.DEGRADED: 3,
    model.RunState.FAILED: 4,
    model.RunState.TIMED_OUT: 5,
    model.RunState.ABORTED: 6,
    model.RunState.AUDITED: 7,
}
# As timeout(1) has it.
EXIT_NOT_IN_TIME = 124
# Seconds between two questions: a run takes minutes, and a hundred scripts may wait.
_ASK_EVERY_S = 2.0


def wait_for_end(client: ApiClient, run_id: str, timeout_s: float | None) -> tuple[RunDetail | None, int]:
    """The run when it has ended, and the exit status for its verdict.

    While the API does not answer it is asked again; a restart of it must not end a script that waits for an hour.

    Args:
        client: of the API.
        run_id: of the run.
        timeout_s: seconds; None: no limit.

    Raises:
        ApiRejected: there is no such run.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    found = None
    while True:
        try:
            found = client.get(f"/runs/{run_id}", RunDetail)
            if found.state.ended:
                return found, EXIT_OF[found.state]
        except errors.ApiUnavailable:
            pass  # asked again below, until the deadline
        left_s = _ASK_EVERY_S if deadline is None else deadline - time.monotonic()
        if left_s <= 0:
            return found, EXIT_NOT_IN_TIME
        time.sleep(min(_ASK_EVERY_S, left_s))
