"""A machine that cannot trust us shows that it holds its run's token, and shows the token to nobody. Pure."""

import hashlib
import hmac

from bringup.model import FailureReason
from bringup.wire.machine import Trouble

_IN_WORDS = {
    FailureReason.TLS_TRUST: "the machine does not trust the API's certificate",
    FailureReason.TLS_CLOCK: "by the machine's clock the API's certificate is not valid",
}
_NO_KEY = "0" * 64  # for an unknown run the same work is done: time must tell nothing


def proves(message: Trouble, run_id: str, token_sha256: str | None) -> bool:
    """Whether ``message`` comes from who holds the run's token.

    Args:
        token_sha256: hexadecimal, as it is stored; None: there is no such run, or it has no token.

    Source: RFC 2104 (HMAC).
    """
    key = (token_sha256 or _NO_KEY).encode()
    expected = hmac.new(key, f"{run_id}:{message.reason.value}".encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, message.proof) and token_sha256 is not None


def in_words(message: Trouble) -> str:
    """What is wrong, for people; what the machine adds to it comes last."""
    return _IN_WORDS[message.reason] + (f": {message.detail}" if message.detail else "")
