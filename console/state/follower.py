"""Follows the feed of changes into the fleet, and knows how old is what the page shows."""

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from pydantic import BaseModel

from bringup import errors, log
from bringup.connections.api_client import ApiClient
from bringup.connections.change_feed import ChangeFollower, Cursor
from bringup.wire.changes import FeedPage
from console.state.fleet import Fleet

_Reply = TypeVar("_Reply", bound=BaseModel)
# Seconds between two tries while the API is away: a person who has repaired it looks at the page meanwhile.
_RETRY_S = (0.5, 2.0)
# Seconds between two questions to the feed. A change must be in sight within 3 s, of which a viewer's poll takes 2.
_ASK_EVERY_S = 0.5
# Seconds until a refusal is tried again: a token may be added, or OPERATORS_FILE repaired, at any time.
_REFUSED_RETRY_S = 2.0
# Seconds without an answer of the feed after which the page warns. The feed is asked twice a second; the banner must be
# there within 5 s of an outage, of which a viewer's poll takes 2 s.
STALE_S = 2.5


class Freshness:
    """When the API answered last, and what is wrong since."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.answered_at: float | None = None  # by the clock, seconds; None: never yet
        self.problem = ""

    def answered(self) -> None:
        """The API has answered just now."""
        self.answered_at, self.problem = self._clock(), ""

    def failed(self, problem: str) -> None:
        """It has not. ``problem``: for people."""
        self.problem = problem

    @property
    def age_s(self) -> float | None:
        """Seconds since it answered; None: it never did."""
        return None if self.answered_at is None else max(0.0, self._clock() - self.answered_at)

    @property
    def is_stale(self) -> bool:
        """What the page shows may have changed since."""
        return self.age_s is None or self.age_s > STALE_S


class FeedFollower:
    """Keeps ``fleet`` as the feed has it, until it is stopped.

    Args:
        client: of the API, with the console's own token.
        fleet: takes in what the feed brings.
        freshness: notes whether the API answers.
    """

    def __init__(self, client: ApiClient, fleet: Fleet, freshness: Freshness) -> None:
        self._client = client
        self._fleet = fleet
        self._freshness = freshness
        self._stopping = Event()

    def run(self) -> None:
        """Follow until `stop`; a refusal is tried again, as an outage is."""
        cursor, refused = Cursor(), ""
        while not self._stopping.is_set():
            try:
                follower = ChangeFollower(self, cursor, retry_s=_RETRY_S, ask_every_s=_ASK_EVERY_S)
                for batch in follower.follow(self._stopping):
                    self._fleet.apply(batch)
                    self._freshness.answered()
                    refused = ""
            except errors.ApiRejected as error:
                if refused != (refused := str(error)):  # once for each reason: a wrong token stays for hours
                    log.get("console").error("the API refuses the console; trying again", why=refused)
                self._stopping.wait(_REFUSED_RETRY_S)
            except Exception:  # noqa: BLE001 - whatever a change holds: a page that stays old helps nobody
                log.get("console").exception("a change cannot be shown: everything is read again")
                self._freshness.failed("what the API has sent cannot be shown; see the log of the console")
                cursor = Cursor()
                self._stopping.wait(_REFUSED_RETRY_S)

    def stop(self) -> None:
        """End `run` soon."""
        self._stopping.set()

    def get(self, path: str, reply: type[_Reply]) -> _Reply:
        """As `ApiClient.get`, and notes whether the API answers; changes count once the page shows them."""
        try:
            found = self._client.get(path, reply)
        except errors.BringupError as error:
            self._freshness.failed(str(error))
            raise
        if isinstance(found, FeedPage) and not found.changes:
            self._freshness.answered()
        return found
