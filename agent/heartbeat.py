"""Signs of life, from the moment that the API is reachable until the run ends."""

import http.client
import threading

from agent import error_messages
from agent.api import Answer, Api
from agent.backoff import jitter
from agent.machine import Machine
from agent.over import RunOver

_ENDED = (404, 410)
_SHORTEST_S = 1.0
_LONGEST_S = 3600.0


class Heartbeats:
    """The heartbeats of one run. ``stage`` is what the agent does now, for the people who watch the run."""

    def __init__(self, api: Api, machine: Machine) -> None:
        self.stage = "network"
        self._api = api
        self._boot_id = machine.boot_id
        self._monotonic = machine.effects.monotonic
        self._journal = machine.journal
        self._over: str | None = None
        self._stopped = threading.Event()

    def beat(self) -> Answer:
        """One heartbeat. Raises what `agent.api.Api.call` raises, and RunOver."""
        message = {"boot_id": self._boot_id, "uptime_s": round(self._monotonic(), 3), "stage": self.stage}
        answer = self._api.post("heartbeat", message)
        if answer.status in _ENDED:
            self._over = error_messages.refused(answer, self._api.place)
        elif answer.body.get("command") == "abort":
            self._over = "the API has aborted this run"
        self.check()
        return answer

    def check(self) -> None:
        """Raises RunOver if the API has said so."""
        if self._over is not None:
            raise RunOver(self._over)

    def enter(self, stage: str) -> None:
        """Name what comes next, unless the run is over (RunOver)."""
        self.check()
        self.stage = stage
        self._journal.note(f"stage: {stage}")

    def start(self, first: Answer) -> None:
        """Go on in the background; ``first`` is the answer to the first beat."""
        threading.Thread(target=self._go_on, args=(next_s(first),), name="heartbeat", daemon=True).start()

    def stop(self) -> None:
        """No more of them."""
        self._stopped.set()

    def _go_on(self, pause_s: float) -> None:
        while not self._stopped.wait(pause_s):
            try:
                pause_s = next_s(self.beat())
            except RunOver:
                return
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._journal.note(f"heartbeat: {type(error).__name__}: {error}")
                pause_s = jitter(5, 30)


def next_s(answer: Answer) -> float:
    """Seconds until the next heartbeat, as the API asks; a refusal or nonsense means half a minute or so."""
    asked = answer.body.get("next_s")
    if isinstance(asked, int | float) and not isinstance(asked, bool) and asked >= 0 and answer.status < 300:
        return min(max(asked, _SHORTEST_S), _LONGEST_S)
    return jitter(20, 40)
