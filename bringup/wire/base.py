"""The base of all messages, and how the two sides of a call read them."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict

_Message = TypeVar("_Message", bound=BaseModel)


class Message(BaseModel):
    """Base of all messages: immutable, and no unknown fields in what is built here or received as a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_reply(reply: type[_Message], raw: bytes) -> _Message:
    """A reply, which may come from a newer version: fields that we do not know are left out, at every depth.

    Raises:
        ValidationError: it is no such reply.
    """
    return reply.model_validate_json(raw, extra="ignore")
