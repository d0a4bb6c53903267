"""What the logs have in common that tell a new lease from a renewal by what they know of its client."""

from collections.abc import Callable
from datetime import datetime, tzinfo

from pydantic import BaseModel, ConfigDict, JsonValue

from bringup.model import utc_now
from dhcp_tailer.layout import LINES
from dhcp_tailer.sources.clients import Clients, Row


class _Memory(BaseModel):
    model_config = ConfigDict(extra="forbid")

    clients: list[Row]


class ClientsLog:
    """Lines, the clock that they are read by, and the clients, which are remembered.

    Args:
        now: the clock that a missing year is taken from.
        zone: of the clock that writes the log; None is the zone of this host.
    """

    layout = LINES

    def __init__(self, now: Callable[[], datetime] = utc_now, zone: tzinfo | None = None) -> None:
        self._now = now
        self._zone = zone
        self._clients = Clients()

    def memory(self) -> JsonValue:
        """The clients."""
        return {"clients": [[mac, list(known)] for mac, known in self._clients.rows()]}

    def restore(self, memory: JsonValue) -> None:
        """Take up a memory. Raises ValueError."""
        self._clients = Clients(_Memory.model_validate(memory).clients)
