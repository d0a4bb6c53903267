"""What the messages of a run's machine do to it: heartbeat, report, and the failure to trust us. Pure."""

import hashlib
import hmac
from dataclasses import replace

from api.runs.records import Change
from api.runs.run_context import RunContext
from bringup.expectation import Expectation
from bringup.model import FailureReason, RunState
from bringup.verdict import judge
from bringup.wire.machine import Heartbeat, Trouble
from bringup.wire.report import Report

_MOST_BOOT_IDS = 100
_IN_WORDS = {
    FailureReason.TLS_TRUST: "the machine does not trust the API's certificate",
    FailureReason.TLS_CLOCK: "by the machine's clock the API's certificate is not valid",
}
_NO_KEY = "0" * 64  # for an unknown run the same work is done: time must tell nothing


def heartbeat(context: RunContext, beat: Heartbeat) -> Change:
    """A sign of life: the machine runs. Only a new start is news: a chatty machine must not fill its timeline."""
    known = context.run.boot_ids
    is_new = beat.boot_id not in known and len(known) < _MOST_BOOT_IDS
    boot_ids = (*known, beat.boot_id) if is_new else known
    marks = {"last_heartbeat_at": context.now, "boot_ids": boot_ids, "stage": beat.stage}
    detail = f"boot {len(boot_ids)}, up {beat.uptime_s:.0f} s" + (f", {beat.stage}" if beat.stage else "")
    change = context.step("heartbeat", detail, **marks)
    return change if is_new else replace(change, entry=None)


def report(context: RunContext, message: Report) -> Change:
    """The machine's report: the verdict is made here, from what was found, and the run ends."""
    entry = context.device.entry
    verdict = judge(message, entry.expectation if entry else Expectation(), entry.host_macs if entry else ())
    reason = FailureReason.CHECK_FAILED if verdict.state is RunState.FAILED else None
    change = context.end(
        verdict.state.value, reason, verdict.summary, verdict=verdict, report_sha256=report_digest(message)
    )
    return replace(change, report=message.model_dump_json().encode())


def report_digest(message: Report) -> str:
    """The same for the same content, whatever its white space or order of keys."""
    return hashlib.sha256(message.model_dump_json().encode()).hexdigest()


def trouble(context: RunContext, message: Trouble) -> Change:
    """The machine cannot trust us, and so can report nothing: the run ends."""
    return context.end("trouble", message.reason, _in_words(message))


def proves(message: Trouble, run_id: str, token_sha256: str | None) -> bool:
    """Whether ``message`` comes from who holds the run's token.

    Args:
        token_sha256: hexadecimal, as it is stored; None: there is no such run, or it has no token.

    Source: RFC 2104 (HMAC).
    """
    key = (token_sha256 or _NO_KEY).encode()
    expected = hmac.new(key, f"{run_id}:{message.reason.value}".encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, message.proof) and token_sha256 is not None


def _in_words(message: Trouble) -> str:
    """What is wrong, for people; what the machine adds to it comes last."""
    return _IN_WORDS[message.reason] + (f": {message.detail}" if message.detail else "")
