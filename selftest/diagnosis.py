"""Why a service cannot be reached, as far as what its port speaks tells."""

from selftest.check import Finding, fail
from selftest.probe import Endpoint
from selftest.protocol_probe import Heard, Language


def wrong_language(endpoint: Endpoint, heard: Heard, *, flag: str, tls: bool) -> Finding | None:
    """Nobody there, or one side with TLS and the other without; None if that is not what is wrong.

    Args:
        flag: the variable that decides, ``tls`` what it says here.
    """
    if heard.silent:
        return fail(
            f"{endpoint}: {heard.said}",
            expected="it answers",
            cause="it is not running, or listens elsewhere",
            mend="start it; `bringup config` shows where it is looked for",
        )
    if tls and heard.language is Language.PLAIN:
        return fail(
            f"{endpoint} speaks plain text",
            expected="TLS",
            cause=f"{flag}=true here, but the server was started without TLS",
            mend=f"start the server with {flag}=true as well",
        )
    if not tls and heard.language is Language.TLS:
        return fail(
            f"{endpoint} speaks TLS",
            expected="plain text",
            cause=f"{flag}=false here, but the server was started with TLS",
            mend=f"set {flag}=true",
        )
    return None
