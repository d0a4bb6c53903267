"""The first contact with the API: for ever, unless it can never be trusted."""

import http.client

from agent import error_messages, tls, trouble
from agent.api import Answer, Api
from agent.backoff import delay, jitter
from agent.error_messages import Distrust
from agent.heartbeat import Heartbeats
from agent.machine import Machine
from agent.over import RunOver
from agent.parameters import Parameters

PATIENCE = 5  # tries, over about 20 s, before the API is told of the distrust
_ON_RECORD = (200, 202)
_OVER = (*_ON_RECORD, 410)


def reach(api: Api, heartbeats: Heartbeats, given: Parameters, machine: Machine) -> Answer:
    """Send heartbeats until the first is answered. Each failure is one line on the console.

    Raises:
        RunOver: the API says so, or has been told that this machine cannot trust it.
    """
    effects, journal = machine.effects, machine.journal
    distrusted = 0
    while True:
        try:
            answer = heartbeats.beat()
        except (OSError, http.client.HTTPException, ValueError) as error:
            words = error_messages.in_words(error, api.place, effects.now())
            journal.say(words)
            kind = error_messages.distrust(error)
            distrusted = distrusted + 1 if kind else 0
            if kind and distrusted >= PATIENCE:
                _tell(given, kind, words, machine)
            effects.pause(jitter(3, 7) if distrusted < PATIENCE else jitter(15, 45))
        else:
            if answer.status in _ON_RECORD:
                journal.say(f"the API at {api.place} knows this run")
                return answer
            journal.say(error_messages.refused(answer, api.place))
            effects.pause(delay(answer.retry_after))


def _tell(given: Parameters, kind: Distrust, words: str, machine: Machine) -> None:
    """Tell the API over a connection that checks nothing. Raises RunOver once it is on record."""
    blind = Api(given, tls.blind(given))
    try:
        answer = blind.post("trouble", trouble.message(given, kind, machine.boot_id, words))
    except (OSError, http.client.HTTPException) as error:
        machine.journal.note(f"trouble: {type(error).__name__}: {error}")
        return
    if answer.status in _OVER:
        raise RunOver(f"the API has been told ({kind.value}): {words}")
    machine.journal.note(f"trouble: answered {answer.status}")
