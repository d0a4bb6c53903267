"""Reads that go to Redis together: what one call waits for once, and not once for each key."""

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

_Read = TypeVar("_Read")
# Of a counter: what Redis itself can add to has 19 at most. Python refuses to read thousands.
_DIGITS = 19
_Command = tuple[Any, ...]
# What was asked for, once the batch was read; it may raise what making it of the replies raises.
Asked = Callable[[], _Read]


class Batch:
    """Commands that read, and their replies once `api.state.redis.Database` has sent them in one round trip.

    What is asked for raises the error that Redis has replied to its command, if it did.
    """

    def __init__(self) -> None:
        self.commands: dict[_Command, int] = {}  # each with the place of its reply
        self.guards: set[_Command] = set()
        self.replies: list[Any] = []

    def ask(self, make: Callable[[Any], _Read], *command: Any) -> Asked[_Read]:
        """Add a command.

        Args:
            make: makes what is wanted of the reply.
            command: its name and arguments.
        """
        # What several ask for, such as the time, is read once.
        at = self.commands.setdefault(command, len(self.commands))

        def read() -> _Read:
            if isinstance(reply := self.replies[at], Exception):
                raise reply
            return make(reply)

        return read

    def ask_guard(self, make: Callable[[Any], _Read], key: str) -> Asked[_Read]:
        """A string that may forbid something: of another type it is an error, and not taken for one that is not there.

        Args:
            make: makes what is wanted of the reply.
            key: of the string.
        """
        self.guards.add(("GET", key))
        return self.ask(make, "GET", key)


def together(
    commands: Iterable[_Command], guards: Collection[_Command] = ()
) -> tuple[list[_Command], Callable[[list[Any]], list[Any]]]:
    """The same with one MGET for every GET, and what makes of its replies those to ``commands``.

    Args:
        commands: of a batch.
        guards: those that stay as they are, for to MGET a key of another type is not there.
    """
    each = list(commands)
    joined = [command[0] == "GET" and command not in guards for command in each]
    strings = [command[1] for command, is_joined in zip(each, joined, strict=True) if is_joined]
    if len(strings) < 2:
        return each, list

    def apart(replies: list[Any]) -> list[Any]:
        first, others = replies[0], iter(replies[1:])
        values = iter([first] * len(strings) if isinstance(first, Exception) else first)
        return [next(values if is_joined else others) for is_joined in joined]

    others = (command for command, is_joined in zip(each, joined, strict=True) if not is_joined)
    return [("MGET", *strings), *others], apart


def text(reply: bytes | None) -> str | None:
    """A string, if it is there; bytes that are no UTF-8 are escaped."""
    return None if reply is None else reply.decode(errors="backslashreplace")


def stored_bytes(reply: bytes | None) -> bytes | None:
    """A string as it is stored."""
    return reply


def texts(reply: Iterable[bytes]) -> list[str]:
    """The members of a set or a list."""
    return [member.decode(errors="replace") for member in reply]


def number(reply: bytes | None) -> int:
    """A counter for people; 0: it is not there, or holds no number. No decision may rest on it."""
    return int(reply) if reply and reply.isdigit() and len(reply) <= _DIGITS else 0


def fields(reply: dict[bytes, bytes]) -> dict[str, bytes]:
    """The fields of a hash, by name."""
    return {name.decode(errors="replace"): value for name, value in reply.items()}


def ask_now(batch: Batch) -> Asked[datetime]:
    """The time by Redis's clock, read with other things."""
    return batch.ask(_time, "TIME")


def _time(reply: tuple[int, int]) -> datetime:
    return datetime.fromtimestamp(reply[0], UTC).replace(microsecond=reply[1])
