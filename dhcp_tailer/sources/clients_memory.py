"""Keeping what a log made us know of its clients."""

from pydantic import BaseModel, ConfigDict, JsonValue

from dhcp_tailer.sources.clients import Clients, Row


class _Memory(BaseModel):
    model_config = ConfigDict(extra="forbid")

    clients: list[Row]


def keep(clients: Clients) -> JsonValue:
    """As JSON."""
    return {"clients": [[mac, list(known)] for mac, known in clients.rows()]}


def taken_up(memory: JsonValue) -> Clients:
    """From JSON. Raises ValueError."""
    return Clients(_Memory.model_validate(memory).clients)
