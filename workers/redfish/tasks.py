"""The task that a BMC makes of a request: followed to its end, because only its messages have the reason why it failed.

Source: DSP0266 s.11.5 (asynchronous operations), Redfish schema Task; iDRAC shows its jobs in the same place.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import requests
from sushy.exceptions import ConnectionError as NoAnswer

from workers.redfish import error_mapping, resource
from workers.redfish.connection import RedfishConnection
from workers.redfish.refusal import BmcRefusal, TaskFailed, messages_in

# Seconds between two requests for the state of a task: tasks take seconds to minutes, and a BMC answers slowly.
_POLL_S = 1.0
# States of Redfish tasks, and of the jobs that some BMCs show as tasks. Source: Redfish schema Task (TaskState).
_FAILED = frozenset({"exception", "killed", "cancelled", "interrupted", "failed", "completedwitherrors", "error"})
_DONE = frozenset({"completed", "completedok"})
# HTTP statuses that are the BMC's own, and not the result of the task.
_ASK_AGAIN = frozenset({408, 425, 429, 503})


def follow(connection: RedfishConnection, answer: requests.Response, timeout_s: float) -> bool:
    """Wait for the task behind an answer; returns whether the request is known to be done.

    False is no failure: the task runs on, or the BMC does not report it; read the resource itself.

    Args:
        connection: to the BMC that answered.
        answer: to the request.
        timeout_s: seconds for the whole task.

    Raises:
        TaskFailed: it ended badly; carries its messages.
    """
    task = _Task.of(answer)
    if task is None:
        return answer.status_code != 202  # 202 and no task to follow
    return wait_until(lambda: task.has_ended(connection), timeout_s, _POLL_S, connection.sleep)


def wait_until(
    is_true: Callable[[], bool],
    timeout_s: float,
    every_s: float,
    sleep: Callable[[float], None],
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Whether something becomes true in time; it is asked once at least, and once more at the end.

    Args:
        is_true: asks.
        timeout_s: seconds to wait.
        every_s: seconds between two questions.
        sleep: waits for so many seconds.
        clock: seconds that only go forward.
    """
    deadline, count = clock() + timeout_s, 0
    while not is_true():
        count += 1
        if clock() >= deadline or count * every_s > timeout_s:
            return False
        sleep(every_s)
    return True


@dataclass
class _Task:
    """The monitor of one task, and what it answered last."""

    path: str
    last: requests.Response

    @classmethod
    def of(cls, answer: requests.Response) -> "_Task | None":
        """The monitor that the answer names, in its header or its body."""
        body = _object_in(answer)
        is_task = "#Task." in str(body.get("@odata.type")) or _state_of(body) != ""
        if answer.status_code != requests.codes.accepted and not is_task:
            return None
        named = resource.Resource("", body)
        path = (
            resource.local_path(answer.headers.get("Location")) or named.link("TaskMonitor") or named.link("@odata.id")
        )
        return cls(path, answer) if path else None

    def has_ended(self, connection: RedfishConnection) -> bool:
        """Ask once. Raises TaskFailed."""
        try:
            self.last = connection.connector.get(self.path)
        except NoAnswer as error:
            if error_mapping.is_hopeless(error):
                raise
            return False  # read again; the time for the whole task bounds it
        except BmcRefusal as refusal:
            if refusal.status_code in {404, 410}:  # the BMC has forgotten a task that is over
                return True
            if refusal.status_code in _ASK_AGAIN or (refusal.status_code >= 500 and not refusal.messages):
                return False
            # DSP0266 s.11.5: the monitor answers with the outcome of the request itself.
            raise TaskFailed(self.path, f"{refusal.status_code}", refusal.response) from None
        body = _object_in(self.last)
        state = _state_of(body)
        if state.casefold() in _FAILED or (state.casefold() in _DONE and _is_bad(body)):
            raise TaskFailed(self.path, state, self.last)
        return state.casefold() in _DONE or (self.last.status_code != requests.codes.accepted and not state)


def _state_of(body: Mapping[str, object]) -> str:
    found = body.get("TaskState") or body.get("JobState")
    return found.replace(" ", "") if isinstance(found, str) else ""


def _is_bad(body: Mapping[str, object]) -> bool:
    """Some BMCs complete a task that did not do its work; only its status shows that."""
    return str(body.get("TaskStatus")) == "Critical" and any(not m.is_good_news for m in messages_in(body))


def _object_in(answer: requests.Response) -> Mapping[str, object]:
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, Mapping) else {}
