"""The first contact with the API, and heartbeats from then on: they bring the news that the run has ended.

The first contact is tried for ever, unless this machine can never trust the API. Then it reports that over a connection
that verifies nothing, with a proof in place of its token: no secret is sent.
"""

import hashlib
import hmac
import http.client
import threading

from agent import error_messages, parameters, system, tls
from agent.api import Api, Response, RunOver, jitter, retry_delay
from agent.text import device_text

_ENDED = (404, 410)
# Seconds between two heartbeats, whatever the API asks for: a wrong value must neither flood it nor silence a machine.
_MIN_INTERVAL_S = 1.0
_MAX_INTERVAL_S = 3600.0
# Tries in a row that must fail by the certificate, over about 20 s, before that is reported: the report ends the run,
# and a server that is just being restarted or renewed must not.
TLS_FAILURES_BEFORE_REPORT = 5
_RECORDED = (200, 202)
_RUN_ENDED = 410


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


def reach(api: Api, heartbeats: Heartbeats, params: parameters.Parameters, machine: system.LocalSystem) -> Response:
    """Send heartbeats until the first is accepted. Each failure is one line on the console.

    Args:
        api: the run's API.
        heartbeats: sends them.
        params: the run's parameters, for a report of a TLS failure.
        machine: waits and logs.

    Raises:
        RunOver: the API has ended the run, or recorded that this machine cannot trust it.
    """
    tls_failures = 0
    while True:
        try:
            response = heartbeats.send()
        except (OSError, http.client.HTTPException, ValueError) as error:
            text = error_messages.describe_error(error, api.address, machine.system.now(), uses_tls=api.uses_tls)
            machine.log.show(text)
            failure = error_messages.tls_failure(error)
            tls_failures = tls_failures + 1 if failure else 0
            final = tls_failures >= TLS_FAILURES_BEFORE_REPORT
            if failure and final:
                _report_tls_failure(params, failure, text, machine)
            # Quick at first: the network has just come up. Slower once the cause is known and needs a person.
            machine.system.pause(jitter(15, 45) if final else jitter(3, 7))
        else:
            if response.status in _RECORDED:
                machine.log.show(f"the API at {api.address} knows this run")
                return response
            machine.log.show(error_messages.describe_refusal(response, api.address))
            machine.system.pause(retry_delay(response.retry_after))


def _report_tls_failure(
    params: parameters.Parameters, failure: error_messages.TlsFailureReason, text: str, machine: system.LocalSystem
) -> None:
    """Report over a connection that verifies nothing.

    Raises:
        RunOver: the API has recorded it.
    """
    unverified = Api(params, tls.insecure_context(params))
    try:
        response = unverified.post("tls-failure", tls_failure_message(params, failure, machine.boot_id, text))
    except (OSError, http.client.HTTPException) as error:
        machine.log.write(f"TLS failure not reported: {type(error).__name__}: {error}")
        return
    if response.status in (*_RECORDED, _RUN_ENDED):
        raise RunOver(f"reported to the API ({failure.value}): {text}")
    machine.log.write(f"TLS failure not reported: the API answers {response.status}")


def tls_failure_message(
    params: parameters.Parameters, failure: error_messages.TlsFailureReason, boot_id: str, detail: str
) -> dict[str, object]:
    """The report of a TLS failure, as `bringup.wire.machine.TlsFailure` has it.

    Args:
        params: the run's parameters.
        failure: why the certificate was refused.
        boot_id: of this boot.
        detail: for people.
    """
    return {
        "reason": failure.value,
        "proof": proof(params, failure),
        "boot_id": boot_id,
        "detail": device_text(detail),
    }


def proof(params: parameters.Parameters, failure: error_messages.TlsFailureReason) -> str:
    """An HMAC that shows that this machine holds the run's token without sending it. Source: RFC 2104."""
    key = hashlib.sha256(params.token.encode()).hexdigest()
    text = f"{params.run_id}:{failure.value}"
    return hmac.new(key.encode(), text.encode(), "sha256").hexdigest()
