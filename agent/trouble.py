"""Telling the API that it cannot be trusted, without trusting it: nothing secret is sent."""

import hashlib
import hmac

from agent.error_messages import Distrust
from agent.parameters import Parameters
from agent.text import device_text


def message(given: Parameters, reason: Distrust, boot_id: str, detail: str) -> dict[str, object]:
    """As `bringup.wire.machine.Trouble` has it."""
    return {
        "reason": reason.value,
        "proof": proof(given, reason),
        "boot_id": boot_id,
        "detail": device_text(detail),
    }


def proof(given: Parameters, reason: Distrust) -> str:
    """Shows that this machine holds the token, and shows the token to nobody. Source: RFC 2104."""
    key = hashlib.sha256(given.token.encode()).hexdigest()
    text = f"{given.run_id}:{reason.value}"
    return hmac.new(key.encode(), text.encode(), "sha256").hexdigest()
