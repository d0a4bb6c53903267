"""Follows the feed of changes: what a connector or a page needs to stay up to date without asking for everything."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Protocol, TypeVar

from pydantic import BaseModel

from bringup import backoff, errors, files, log
from bringup.wire.changes import NUMBER_DIGITS, UNREADABLE, FeedPage, FeedSnapshot

_Reply = TypeVar("_Reply", bound=BaseModel)
# Seconds until the next question when all that there was is read: a person sees a change within that time. What changes
# meanwhile comes in one page, in which a run that has changed five times is read once; without a pause each follower
# would read each run ten times in a storm of boots.
_ASK_EVERY_S = 1.0
# Seconds between two tries while the API is away: soon enough for a restart, and no load for one that struggles.
_RETRY_S = (0.5, 30.0)


class Asks(Protocol):
    """What is needed of an `ApiClient`."""

    def get(self, path: str, reply: type[_Reply]) -> _Reply:
        """``GET /api/v1{path}``."""


class Cursor:
    """The number of the last change that was handled, in memory."""

    def __init__(self) -> None:
        self._number: int | None = None

    def read(self) -> int | None:
        """The number; None: nothing was handled yet."""
        return self._number

    def save(self, number: int) -> None:
        """Everything up to ``number`` was handled."""
        self._number = number


class FileCursor(Cursor):
    """The same in a file, for a follower that goes on where it was after a restart.

    Args:
        path: written anew with each batch; of one follower alone, for of two each would miss what the other reads.

    Raises:
        OSError: from `save`, when the file cannot be written; what was handled comes again then.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def read(self) -> int | None:
        """The number; None: there is no file, or no number in it."""
        try:
            text = self._path.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
        # The API refuses any other number each time: a follower whose file is damaged would never go on.
        return int(text) if text.isdigit() and len(text) <= NUMBER_DIGITS else None

    def save(self, number: int) -> None:
        """Everything up to ``number`` was handled."""
        files.write_atomically(self._path, f"{number}\n")


class ChangeFollower:
    """Yields every change at least once and in order.

    Args:
        client: of the API.
        cursor: where to go on; a batch counts as handled when the next one is asked for.
        retry_s: seconds between two tries while the API is away, at least and at most.
        ask_every_s: seconds until the next question when all changes are read.
    """

    def __init__(
        self,
        client: Asks,
        cursor: Cursor,
        *,
        retry_s: tuple[float, float] = _RETRY_S,
        ask_every_s: float = _ASK_EVERY_S,
    ) -> None:
        self._client = client
        self._cursor = cursor
        self._retry_s = retry_s
        self._ask_every_s = ask_every_s

    def follow(self, stopping: Event) -> Iterator[FeedSnapshot | FeedPage]:
        """Batches until ``stopping`` is set; waits while there is none, and while the API is away.

        A snapshot comes first, and again when changes are gone that were not handled: it replaces all that was known.

        Raises:
            ApiRejected: the API lets us not follow; to try again cannot help.
        """
        tries = 0
        while not stopping.is_set():
            try:
                batch = self._next()
            except errors.TransientError as error:
                wait_s = backoff.backoff_s(tries, *self._retry_s)
                log.get("feed").warning("the feed of changes is away", why=str(error), again_in_s=round(wait_s, 1))
                tries += 1
                stopping.wait(wait_s)
                continue
            tries = 0
            if batch is None:
                stopping.wait(self._ask_every_s)
                continue
            yield batch
            self._cursor.save(batch.id if isinstance(batch, FeedSnapshot) else batch.next)
            if isinstance(batch, FeedPage) and batch.next >= batch.newest:
                stopping.wait(self._ask_every_s)

    def _next(self) -> FeedSnapshot | FeedPage | None:
        since = self._cursor.read()
        if since is None:
            return self._client.get("/changes/snapshot", FeedSnapshot)
        page = self._client.get(f"/changes?since={since}", FeedPage)
        is_gap = page.oldest > since + 1
        # Redis holds less than we have handled: an older state was restored, and a person has accepted it or will.
        is_older = page.newest < since
        # What the API cannot read is missing, too: during an upgrade a newer API may have written it.
        is_unreadable = any(change.what == UNREADABLE for change in page.changes)
        if is_gap or is_older or is_unreadable:
            return self._client.get("/changes/snapshot", FeedSnapshot)
        return page if page.changes else None
