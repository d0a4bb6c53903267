"""Reads that go to Redis together: what one call waits for once, and not once for each key."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

_Read = TypeVar("_Read")
_Command = tuple[Any, ...]
# What was asked for, once the batch was read; it may raise what making it of the replies raises.
Asked = Callable[[], _Read]


class Batch:
    """Commands that read, and their replies once `api.state.redis.Database` has sent them in one round trip.

    What is asked for raises the error that Redis has replied to its command, if it did.
    """

    def __init__(self) -> None:
        self.commands: dict[_Command, int] = {}  # each with the place of its reply
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


def together(commands: Iterable[_Command]) -> tuple[list[_Command], Callable[[list[Any]], list[Any]]]:
    """The same with one MGET for every GET, and what makes of its replies those to ``commands``.

    To MGET a key of another type is not there; to none of what is read so it makes a machine look less guarded.
    """
    each = list(commands)
    strings = [command[1] for command in each if command[0] == "GET"]
    if len(strings) < 2:
        return each, list

    def apart(replies: list[Any]) -> list[Any]:
        first, others = replies[0], iter(replies[1:])
        values = iter([first] * len(strings) if isinstance(first, Exception) else first)
        return [next(values if command[0] == "GET" else others) for command in each]

    return [("MGET", *strings), *(command for command in each if command[0] != "GET")], apart


def text(reply: bytes | None) -> str | None:
    """A string, if it is there."""
    return None if reply is None else reply.decode()


def stored_bytes(reply: bytes | None) -> bytes | None:
    """A string as it is stored."""
    return reply


def texts(reply: Iterable[bytes]) -> list[str]:
    """The members of a set or a list."""
    return [member.decode(errors="replace") for member in reply]


def number(reply: bytes | None) -> int:
    """A counter; 0: it is not there."""
    return int(reply or 0)


def fields(reply: dict[bytes, bytes]) -> dict[str, bytes]:
    """The fields of a hash, by name."""
    return {name.decode(): value for name, value in reply.items()}


def ask_now(batch: Batch) -> Asked[datetime]:
    """The time by Redis's clock, read with other things."""
    return batch.ask(_time, "TIME")


def _time(reply: tuple[int, int]) -> datetime:
    return datetime.fromtimestamp(reply[0], UTC).replace(microsecond=reply[1])
