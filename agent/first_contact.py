"""The first contact with the API: tried for ever, unless this machine can never trust the API.

Then it reports that over a connection that verifies nothing, with a proof in place of its token: no secret is sent.
"""

import hashlib
import hmac
import http.client

from agent import error_messages, heartbeat, parameters, system, tls
from agent.api import Api, Response, RunOver, jitter, retry_delay
from agent.text import device_text

# Tries in a row that must fail by the certificate, over about 20 s, before that is reported: the report ends the run,
# and a server that is just being restarted or renewed must not.
TLS_FAILURES_BEFORE_REPORT = 5
_RECORDED = (200, 202)
_RUN_ENDED = 410


def reach(
    api: Api, heartbeats: heartbeat.Heartbeats, params: parameters.Parameters, machine: system.LocalSystem
) -> Response:
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
