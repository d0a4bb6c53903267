"""A machine that does not trust us, and so cannot report: what it posts instead, and who sent it. Pure."""

import hashlib
import hmac

from api.runs.records import Change
from api.runs.states import RunContext
from bringup import model
from bringup.wire.machine import TlsFailure

# Only these two: what else a machine cannot do over TLS, such as connect, it cannot report either.
_IN_WORDS = {
    model.FailureReason.TLS_TRUST: "the machine does not trust the API's certificate",
    model.FailureReason.TLS_CLOCK: "by the machine's clock the API's certificate is not valid",
}
# The key for an unknown run: the same work is done for it, so that the time it takes shows nothing.
_NO_KEY = "0" * 64


def end_run(context: RunContext, message: TlsFailure) -> Change:
    """The machine does not trust us, and so cannot report: the run ends."""
    return context.end("tls_failure", message.reason, _in_words(message))


def proves(message: TlsFailure, run_id: str, token_sha256: str | None) -> bool:
    """Whether ``message`` was sent by a holder of the run's token.

    Args:
        message: with its proof.
        run_id: of the run in the address of the call.
        token_sha256: hexadecimal, as it is stored; None or empty: there is no such run, or it has no token.

    Source: RFC 2104 (HMAC).
    """
    key = (token_sha256 or _NO_KEY).encode()
    expected = hmac.new(key, f"{run_id}:{message.reason.value}".encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, message.proof) and bool(token_sha256)


def _in_words(message: TlsFailure) -> str:
    """For people; what the machine adds to it comes last."""
    return _IN_WORDS[message.reason] + (f": {message.detail}" if message.detail else "")
