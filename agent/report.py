"""The report, as `bringup.wire.report.Report` has it, and its delivery with the logs."""

import http.client
import json

from agent import __version__, error_messages, heartbeat, kernel, log, system
from agent.api import Api, Response, RunOver, retry_delay

# No later try can succeed: the run is over (404, 410), has another report (409), or the API cannot read ours.
_FINAL = (404, 409, 410, 413, 422)


def compose(
    boot_id: str, rtc_offset_s: float | None, inventory: dict[str, object], checks: list[dict[str, str]]
) -> dict[str, object]:
    """The report. It carries no verdict: the API computes that.

    Args:
        boot_id: of this boot.
        rtc_offset_s: seconds that the hardware clock is ahead of the API.
        inventory: as `agent.inventory` collected it.
        checks: as `agent.checks` ran them.
    """
    return {
        "schema_version": 1,
        "boot_id": boot_id,
        "agent": f"bringup-agent {__version__}",
        "rtc_offset_s": rtc_offset_s,
        "inventory": inventory,
        "checks": checks,
    }


def upload_logs(api: Api, machine: system.LocalSystem) -> None:
    """Store the kernel's log and the agent's own with the run."""
    upload(api, "dmesg.log", kernel.log_text(machine.root), machine)
    upload(api, "agent.log", machine.log.content(), machine)


def upload(api: Api, name: str, content: bytes, machine: system.LocalSystem) -> None:
    """Store one log with the run. One try, and a failure is logged only: the report is what counts.

    Args:
        api: the run's API.
        name: of the artifact.
        content: the log; the end of it is kept where it is too long.
        machine: logs.
    """
    try:
        response = api.call("PUT", f"artifacts/{name}", content[-log.LOG_LIMIT :], "text/plain")
    except (OSError, http.client.HTTPException) as error:
        machine.log.show(f"{name} was not uploaded: {type(error).__name__}: {error}")
        return
    if response.status >= 300:
        machine.log.show(f"{name} was not uploaded: the API answers {response.status}")


def deliver(api: Api, report: dict[str, object], heartbeats: heartbeat.Heartbeats, machine: system.LocalSystem) -> str:
    """Post the report until the API has recorded it. Returns the state of the run.

    Args:
        api: the run's API.
        report: as `compose` made it.
        heartbeats: know whether the run has ended meanwhile.
        machine: waits and logs.

    Raises:
        RunOver: the API will never accept this report.
    """
    body = json.dumps(report).encode()  # once: the API accepts a repeat only if it is the same, byte for byte
    while True:
        heartbeats.raise_if_over()
        response = _post(api, body, machine)
        if response is not None and response.status in (200, 202):
            return str(response.body.get("state", "unknown"))
        if response is not None and response.status in _FINAL:
            raise RunOver(error_messages.describe_refusal(response, api.address))
        machine.system.pause(retry_delay(response.retry_after if response else ""))


def _post(api: Api, body: bytes, machine: system.LocalSystem) -> Response | None:
    try:
        response = api.call("POST", "report", body)
    except (OSError, http.client.HTTPException) as error:
        machine.log.show(error_messages.describe_error(error, api.address, machine.system.now(), uses_tls=api.uses_tls))
        return None
    if response.status >= 300:
        machine.log.show(error_messages.describe_refusal(response, api.address))
    return response
