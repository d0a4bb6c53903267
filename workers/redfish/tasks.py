"""The task that a BMC makes of a request: followed to its end, because only its messages say why it failed.

Source: DSP0266 s.11.5 (asynchronous operations), Redfish schema Task; iDRAC shows its jobs in the same place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from sushy.exceptions import ConnectionError as NoAnswer

from workers.redfish.connection import RedfishConnection
from workers.redfish.errors import is_hopeless
from workers.redfish.refusal import Refusal, TaskFailed, messages_in
from workers.redfish.resource import Resource, local_path
from workers.redfish.waiting import comes_true

_LOOK_EVERY_S = 1.0
_FAILED = frozenset({"exception", "killed", "cancelled", "interrupted", "failed", "completedwitherrors", "error"})
_ASK_AGAIN = frozenset({408, 425, 429, 503})  # of the BMC, and not of the task
_DONE = frozenset({"completed", "completedok"})


def follow(connection: RedfishConnection, answer: requests.Response, timeout_s: float) -> bool:
    """Wait for the task behind an answer; returns whether the request is known to be done.

    False is no failure: the task runs on, or the BMC does not say; look at the resource itself.

    Args:
        timeout_s: for the whole task.

    Raises:
        TaskFailed: it ended badly; carries its messages.
    """
    task = _Task.of(answer)
    if task is None:
        return answer.status_code != 202  # 202 and no task to follow
    return comes_true(lambda: task.has_ended(connection), timeout_s, _LOOK_EVERY_S, connection.sleep)


@dataclass
class _Task:
    path: str
    last: requests.Response

    @classmethod
    def of(cls, answer: requests.Response) -> "_Task | None":
        """The monitor that the answer names, in its header or its body."""
        body = _object_in(answer)
        is_task = "#Task." in str(body.get("@odata.type")) or _state_of(body) != ""
        if answer.status_code != requests.codes.accepted and not is_task:
            return None
        named = Resource("", body)
        path = local_path(answer.headers.get("Location")) or named.link("TaskMonitor") or named.link("@odata.id")
        return cls(path, answer) if path else None

    def has_ended(self, connection: RedfishConnection) -> bool:
        """Ask once. Raises TaskFailed."""
        try:
            self.last = connection.door.get(self.path)
        except NoAnswer as error:
            if is_hopeless(error):
                raise
            return False  # asked again; the time for the whole task bounds it
        except Refusal as refusal:
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


def _state_of(body: Mapping[str, Any]) -> str:
    found = body.get("TaskState") or body.get("JobState")
    return found.replace(" ", "") if isinstance(found, str) else ""


def _is_bad(body: Mapping[str, Any]) -> bool:
    """Some complete a task that did not do its work, and say so in its status alone."""
    return str(body.get("TaskStatus")) == "Critical" and any(not m.is_good_news for m in messages_in(body))


def _object_in(answer: requests.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, Mapping) else {}
