"""Which protocol a port really speaks, whatever the flags require: detected once, before anything is concluded."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from threading import Thread
from typing import TypeVar

from selftest.probe import Answer, Endpoint, Reached, insecure_context

_T = TypeVar("_T")
# How long the detection may take in all: two connections of 3 s (the default of `--timeout`). The look-up of a name has
# no timeout of its own, so this bounds it; and with it the end of the self-test, see `runner.LONGEST_S`.
_LONGEST_S = 7.0


class Protocol(StrEnum):
    """What answers on a port."""

    PLAIN = "plain text"
    TLS = "TLS"
    NONE = "nothing"


@dataclass(frozen=True)
class Detected:
    """What a port speaks.

    Args:
        detail: the first bytes of its answer, or the reason why there is none.
    """

    protocol: Protocol
    detail: str

    @property
    def is_silent(self) -> bool:
        """Whether nothing answers there."""
        return self.protocol is Protocol.NONE

    def blocker(self, *, tls: bool) -> str:
        """Why no client can work there; empty if it can. ``tls``: whether our clients use TLS."""
        if self.is_silent:
            return f"nobody answers ({self.detail})"
        wanted = Protocol.TLS if tls else Protocol.PLAIN
        return "" if self.protocol is wanted else f"it speaks {self.protocol}, not {wanted}"


def detect(endpoint: Endpoint, request: bytes) -> Detected:
    """The protocol of a port, tried in plain text and then by TLS; bounded even where the look-up of the host hangs."""
    try:
        return within(_LONGEST_S, lambda: _detect(endpoint, request))
    except TimeoutError:
        return Detected(Protocol.NONE, f"{endpoint.host} cannot be looked up, or does not answer in time")


def _detect(endpoint: Endpoint, request: bytes) -> Detected:
    plain = endpoint.plain(request)
    if plain.reached is Reached.NOTHING or _is_plain(plain):
        return Detected(Protocol.PLAIN if plain.accepted else Protocol.NONE, plain.text)
    secured = endpoint.handshake(insecure_context())
    if secured.reached is Reached.TLS:
        return Detected(Protocol.TLS, secured.text)
    if plain.accepted:
        return Detected(Protocol.PLAIN, plain.text)
    return Detected(Protocol.NONE, f"it accepts connections but does not answer ({plain.text})")


def _is_plain(answer: Answer) -> bool:
    """Some servers answer plain text on their TLS port, to report that they want TLS."""
    return answer.accepted and not answer.text.startswith("HTTP/1.1 400")


def within(seconds: float, call: Callable[[], _T]) -> _T:
    """What ``call`` returns. Raises TimeoutError when it takes longer; its thread then ends with our process."""
    results: list[_T] = []
    thread = Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()
    thread.join(seconds)
    if not results:
        raise TimeoutError
    return results[0]
