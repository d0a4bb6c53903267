"""A refusal of a BMC, and the messages in any of the places where BMCs put them.

Source: DSP0266 s.8.6 (error responses), DSP0268 (Message, base message registry).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import requests
from sushy.exceptions import HTTPError

from bringup.errors import BringupError

# Characters of a reason: with the sentence around it, it fits into the 1,024 of a run's detail.
_MAX_REASON = 600


@dataclass(frozen=True)
class RedfishMessage:
    """One message.

    Args:
        id: without its registry: "SYS011" of "IDRAC.2.8.SYS011".
        text: for people.
        severity: "OK", "Warning", "Critical"; some have "Informational".
        related: the properties that it is about, and its arguments.
    """

    id: str
    text: str
    severity: str = ""
    related: tuple[str, ...] = ()

    @property
    def is_good_news(self) -> bool:
        """Whether it reports no problem; iLO answers "Success" with 200, some mix it into refusals."""
        return self.severity in {"OK", "Informational"} or self.id in {"Success", "NoOperation"}

    def __str__(self) -> str:
        if not self.text or self.id in self.text:
            return self.text or self.id
        return f"{self.text.rstrip()} ({self.id})" if self.id else self.text


class BmcRefusal(BringupError, HTTPError):  # type: ignore[misc]
    """An answer of 400 or more, in place of sushy's own class, which fails on bodies that no schema foresees.

    It never leaves the driver: `redfish_errors` translates it into BmcBusy, BmcUnavailable or BmcRejected.
    """

    def __init__(self, response: requests.Response) -> None:
        self.status_code = int(response.status_code)
        self.response = response
        self.messages = messages_in(_json_of(response))
        ids = [message.id for message in self.messages]
        self.code = ids[0] if ids else "GeneralError"
        self.detail = summary_of(self.messages)
        Exception.__init__(self, self.summary)

    @property
    def summary(self) -> str:
        """What came, as a predicate: its subject is what sent it."""
        return f"answered {self.status_code}: {self.detail or 'without a reason'}"

    @property
    def ids(self) -> frozenset[str]:
        """The message ids, without registry and version."""
        return frozenset(message.id for message in self.messages)

    def names(self, word: str) -> bool:
        """Whether any message is about this parameter or property."""
        return any(
            word in message.text or any(word in related for related in message.related) for message in self.messages
        )


class TaskFailed(BmcRefusal):
    """The BMC accepted a request, and the task that it made of it failed; the cause is in the task's messages.

    It counts like a 500 to the request: the BMC tried, and may succeed another time.

    Args:
        path: of the task.
        state: the TaskState in which it ended.
        response: the one that showed it.
    """

    def __init__(self, path: str, state: str, response: requests.Response) -> None:
        self._path, self._state = path, state
        super().__init__(response)
        self.status_code = int(requests.codes.server_error)

    @property
    def summary(self) -> str:
        """What came, as a predicate: its subject is what sent it."""
        return f"accepted it, and its task {self._path} ended as {self._state}: {self.detail or 'without a reason'}"


def raise_for_refusal(response: requests.Response) -> None:
    """Raises BmcRefusal. Called by sushy's connector for every answer, before it makes an error of its own."""
    if response.status_code >= requests.codes.bad_request:
        raise BmcRefusal(response)


def messages_in(body: object) -> tuple[RedfishMessage, ...]:
    """Every message in an answer or a task: of the error, beside it, or of the task itself."""
    found = dict.fromkeys(_messages(body))
    return tuple(message for message in found if message.id or message.text)


def summary_of(messages: tuple[RedfishMessage, ...]) -> str:
    """The problems that the messages report, in one line; good news only when there is nothing else."""
    problems = [message for message in messages if not message.is_good_news]
    specific = [message for message in problems if message.id != "GeneralError"] or problems or list(messages)
    return "; ".join(dict.fromkeys(str(message) for message in specific))[:_MAX_REASON]


def _messages(body: object) -> Iterator[RedfishMessage]:
    if not isinstance(body, Mapping):
        return
    error = body.get("error")
    for place in (error, body):
        if isinstance(place, Mapping):
            for key in ("@Message.ExtendedInfo", "Messages", "ExtendedInfo"):
                yield from _listed(place.get(key))
    if isinstance(error, Mapping):
        yield _message({"MessageId": error.get("code"), "Message": error.get("message")})
    elif error:
        yield RedfishMessage("", str(error))


def _listed(found: object) -> Iterator[RedfishMessage]:
    for entry in found if isinstance(found, list) else [found]:
        if isinstance(entry, Mapping):
            yield _message(entry)
        elif isinstance(entry, str):
            yield RedfishMessage("", entry)


def _message(entry: Mapping[str, object]) -> RedfishMessage:
    related = entry.get("RelatedProperties") or ()
    args = entry.get("MessageArgs") or ()
    return RedfishMessage(
        id=str(entry.get("MessageId") or entry.get("MessageID") or "").rpartition(".")[2],
        text=str(entry.get("Message") or "").strip(),
        severity=str(entry.get("MessageSeverity") or entry.get("Severity") or ""),
        related=tuple(map(str, [*_as_list(related), *_as_list(args)])),
    )


def _as_list(found: object) -> list[object]:
    return list(found) if isinstance(found, list | tuple) else [found]


def _json_of(response: requests.Response) -> object:
    try:
        return response.json()
    except (ValueError, RecursionError):  # a page for people, or nothing
        return None
