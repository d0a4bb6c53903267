"""Heartbeats: from the first contact until the run ends; they bring the news that it has ended."""

import http.client
import threading

from agent import error_messages, system
from agent.api import Api, Response, RunOver, jitter

_ENDED = (404, 410)
# Seconds between two heartbeats, whatever the API asks for: a wrong value must neither flood it nor silence a machine.
_MIN_INTERVAL_S = 1.0
_MAX_INTERVAL_S = 3600.0


class Heartbeats:
    """The heartbeats of one run. ``stage`` is what the agent does now; people see it in the run."""

    def __init__(self, api: Api, machine: system.LocalSystem) -> None:
        """Nothing is sent yet."""
        self.stage = "network"
        self._api = api
        self._boot_id = machine.boot_id
        self._monotonic = machine.system.monotonic
        self._log = machine.log
        self._ended: str | None = None
        self._stopped = threading.Event()

    def send(self) -> Response:
        """Send one heartbeat and return the response.

        Raises:
            RunOver: the API has ended the run.
            OSError, http.client.HTTPException: no response came.
        """
        message = {"boot_id": self._boot_id, "uptime_s": round(self._monotonic(), 3), "stage": self.stage}
        response = self._api.post("heartbeat", message)
        if response.status in _ENDED:
            self._ended = error_messages.describe_refusal(response, self._api.address)
        elif response.body.get("command") == "abort":
            self._ended = "the API has aborted this run"
        self.raise_if_over()
        return response

    def raise_if_over(self) -> None:
        """Do nothing while the run goes on.

        Raises:
            RunOver: a heartbeat has learned that the run has ended.
        """
        if self._ended is not None:
            raise RunOver(self._ended)

    def enter(self, stage: str) -> None:
        """Name what comes next.

        Raises:
            RunOver: the run has ended; nothing comes next.
        """
        self.raise_if_over()
        self.stage = stage
        self._log.write(f"stage: {stage}")

    def start(self, first: Response) -> None:
        """Continue in the background; ``first`` is the response to the first heartbeat."""
        threading.Thread(target=self._send_all, args=(next_s(first),), name="heartbeat", daemon=True).start()

    def stop(self) -> None:
        """Send no more of them."""
        self._stopped.set()

    def _send_all(self, pause_s: float) -> None:
        while not self._stopped.wait(pause_s):
            try:
                pause_s = next_s(self.send())
            except RunOver:
                return
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._log.write(f"heartbeat: {type(error).__name__}: {error}")
                pause_s = jitter(5, 30)


def next_s(response: Response) -> float:
    """Seconds until the next heartbeat, as the API asks; 20 to 40 s after a refusal or an unusable value."""
    asked = response.body.get("next_s")
    if isinstance(asked, int | float) and not isinstance(asked, bool) and asked >= 0 and response.status < 300:
        return min(max(asked, _MIN_INTERVAL_S), _MAX_INTERVAL_S)
    return jitter(20, 40)
