"""The base of all messages."""

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """Base of all messages: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")
