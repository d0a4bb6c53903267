"""The report, as `bringup.wire.report.Report` has it, and its delivery."""

import http.client
import json

from agent import __version__, error_messages
from agent.api import Answer, Api
from agent.backoff import delay
from agent.heartbeat import Heartbeats
from agent.log import LOG_LIMIT, Journal
from agent.machine import Machine
from agent.over import RunOver

_FINAL = (404, 409, 410, 413, 422)


def compose(
    boot_id: str, rtc_offset_s: float | None, inventory: dict[str, object], checks: list[dict[str, str]]
) -> dict[str, object]:
    """The report. It carries no verdict: that is for the API to say."""
    return {
        "schema_version": 1,
        "boot_id": boot_id,
        "agent": f"bringup-agent {__version__}",
        "rtc_offset_s": rtc_offset_s,
        "inventory": inventory,
        "checks": checks,
    }


def upload(api: Api, name: str, content: bytes, journal: Journal) -> None:
    """Put a log beside the run; once, and a refusal is noted and no more: the report is what counts."""
    try:
        answer = api.call("PUT", f"artifacts/{name}", content[-LOG_LIMIT:], "text/plain")
    except (OSError, http.client.HTTPException) as error:
        journal.say(f"{name} was not uploaded: {type(error).__name__}: {error}")
        return
    if answer.status >= 300:
        journal.say(f"{name} was not uploaded: the API answers {answer.status}")


def deliver(api: Api, report: dict[str, object], heartbeats: Heartbeats, machine: Machine) -> str:
    """Post the report until the API has it. Returns the state of the run.

    Raises:
        RunOver: it will never take this report.
    """
    body = json.dumps(report).encode()  # once: a repeat must be the same, byte for byte
    while True:
        heartbeats.check()
        answer = _try(api, body, machine)
        if answer is not None and answer.status in (200, 202):
            return str(answer.body.get("state", "unknown"))
        if answer is not None and answer.status in _FINAL:
            raise RunOver(error_messages.refused(answer, api.place))
        machine.effects.pause(delay(answer.retry_after if answer else ""))


def _try(api: Api, body: bytes, machine: Machine) -> Answer | None:
    try:
        answer = api.call("POST", "report", body)
    except (OSError, http.client.HTTPException) as error:
        machine.journal.say(error_messages.in_words(error, api.place, machine.effects.now()))
        return None
    if answer.status >= 300:
        machine.journal.say(error_messages.refused(answer, api.place))
    return answer
