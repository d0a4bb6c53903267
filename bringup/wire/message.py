"""What all messages have in common, and the answers that every client may get.

Requests are read strictly: a misspelt field that is silently dropped would be a false green. Replies are read
tolerantly (`read_reply`), for the API is upgraded before its clients.
"""

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

_Message = TypeVar("_Message", bound=BaseModel)


class Message(BaseModel):
    """Base of all messages: immutable, and no unknown fields in what is built here or received as a request."""

    # Built at first use: a command needs one or two of a hundred messages, and to build all takes longer than it runs.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def read_reply(reply: type[_Message], raw: bytes) -> _Message:
    """A reply, which may come from a newer version: fields that we do not know are left out, at every depth.

    Raises:
        ValidationError: it is no such reply.
    """
    return reply.model_validate_json(raw, extra="ignore")


class Health(Message):
    """Names the service that answers, so that another server on the port is recognised."""

    service: Literal["bringup-api"]
    version: str


class Readiness(Message):
    """Whether the API can do its work now, and if not, why."""

    ready: bool
    problems: tuple[str, ...] = ()
    # One of the problems: why no machine is touched, after Redis has lost changes.
    withheld: str | None = Field(None, exclude_if=lambda why: why is None)


class Problem(Message):
    """An error, as application/problem+json. Source: RFC 9457 s.3."""

    type: Annotated[str, Field(pattern=r"^urn:bringup:[a-z_]+$")]
    title: str
    status: int
    detail: str
    problems: tuple[str, ...] = ()
