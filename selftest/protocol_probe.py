"""What a port really speaks, whatever the flags say: found out once, before anything is concluded from it."""

from dataclasses import dataclass
from enum import StrEnum

from selftest.probe import Answer, Endpoint, Reached, looking
from selftest.timeout import within

_LONGEST_S = 7.0


class Language(StrEnum):
    """What answers on a port."""

    PLAIN = "plain text"
    TLS = "TLS"
    SILENCE = "nothing"


@dataclass(frozen=True)
class Heard:
    """Args: said: its first words, or why there are none."""

    language: Language
    said: str

    @property
    def silent(self) -> bool:
        """Nobody is there, or nobody who says a word."""
        return self.language is Language.SILENCE

    def hindrance(self, *, tls: bool) -> str:
        """Why there is no sense in talking; empty if there is. ``tls``: whether we are to speak TLS."""
        if self.silent:
            return f"nobody answers ({self.said})"
        wanted = Language.TLS if tls else Language.PLAIN
        return "" if self.language is wanted else f"it speaks {self.language}, not {wanted}"


def hear(endpoint: Endpoint, request: bytes) -> Heard:
    """Ask in plain text, then in TLS. Bounded even where looking up the host's name hangs."""
    try:
        return within(_LONGEST_S, lambda: _hear(endpoint, request))
    except TimeoutError:
        return Heard(Language.SILENCE, f"{endpoint.host} cannot be looked up, or does not answer in time")


def _hear(endpoint: Endpoint, request: bytes) -> Heard:
    plain = endpoint.plain(request)
    if plain.reached is Reached.NOTHING or _is_plain(plain):
        return Heard(Language.PLAIN if plain.accepted else Language.SILENCE, plain.said)
    secured = endpoint.handshake(looking())
    if secured.reached is Reached.TLS:
        return Heard(Language.TLS, secured.said)
    if plain.accepted:
        return Heard(Language.PLAIN, plain.said)
    return Heard(Language.SILENCE, f"it accepts connections but says nothing ({plain.said})")


def _is_plain(answer: Answer) -> bool:
    """Some servers answer plain text on their TLS port, to say that they want TLS."""
    return answer.accepted and not answer.said.startswith("HTTP/1.1 400")
