"""What the views work with: the settings, the fleet, who is signed in, and the API."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar, cast

from flask import current_app
from pydantic import BaseModel

from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.settings import Settings
from console.actions.plan import Plans
from console.overview import Overview
from console.recent import Recent, ShownPages
from console.session import Attempts, Session, Sessions
from console.state.fleet import Fleet
from console.state.follower import Freshness
from console.state.lists import FleetLists
from console.state.query import Query

_Reply = TypeVar("_Reply", bound=BaseModel)
# Seconds that an answer of the API is shown to others, too: less than the 2 s between two polls of one page. Of the
# answers that are kept a report is the largest, at most 16 MiB.
_ANSWER_S, _MOST_ANSWERS = 1.0, 50
# Seconds until the machines that fit a list are counted anew: of 10,000 some 10 ms. And lists that are counted.
_TOTAL_S, _MOST_TOTALS = 5.0, 500
# Seconds that the squares and filters of the fleet are shown as they were: 10,000 machines take some 30 ms each.
_SQUARES_S = 5.0
# Seconds that what the services are like is shown as it was: four calls of the API for all who look.
_OVERVIEW_S = 3.0
# Seconds that a page, or a sign-in, waits for an answer of the API to begin, and twice that for a whole one: each holds
# one of our threads, and while an API hangs they would all wait, also those of pages that need none of its answers.
_PAGE_S = 5.0
# Of the application's extensions, as Flask recommends: no global holds a connection.
_KEY = "console"


@dataclass(frozen=True)
class Console:
    """One console. It reads by its own token; what a person changes, it sends with theirs."""

    settings: Settings
    contexts: tls.ClientContexts
    api: ApiClient
    fleet: Fleet = field(default_factory=Fleet)
    freshness: Freshness = field(default_factory=Freshness)
    answers: Recent[tuple[int, BaseModel]] = field(default_factory=lambda: Recent(_ANSWER_S, _MOST_ANSWERS))
    squares: Recent[tuple[int, str]] = field(default_factory=lambda: Recent(_SQUARES_S))
    filters: Recent[dict[str, list[str]]] = field(default_factory=lambda: Recent(_SQUARES_S))
    totals: Recent[tuple[int, int]] = field(default_factory=lambda: Recent(_TOTAL_S, _MOST_TOTALS))
    overviews: Recent[Overview] = field(default_factory=lambda: Recent(_OVERVIEW_S))
    shown: ShownPages = field(default_factory=ShownPages)
    sessions: Sessions = field(default_factory=Sessions)
    attempts: Attempts = field(default_factory=Attempts)
    plans: Plans = field(default_factory=Plans)

    @classmethod
    def of(cls, settings: Settings) -> "Console":
        """The console of ``settings``, which has CONSOLE_TOKEN. Connects to nothing yet."""
        contexts = tls.ClientContexts()
        return cls(settings, contexts, ApiClient(_for_pages(settings), contexts, token=_token(settings)))

    @cached_property
    def lists(self) -> FleetLists:
        """The lists of its fleet."""
        return FleetLists(self.fleet)

    def feed_client(self) -> ApiClient:
        """The API with the time that it may take for a snapshot of a large fleet: for one thread, not for pages."""
        return ApiClient(self.settings, self.contexts, token=_token(self.settings))

    def read(self, path: str, reply: type[_Reply]) -> _Reply:
        """What the API answers to ``GET`` of ``path``, now or a moment ago.

        Raises:
            ApiUnavailable: it does not answer.
            ApiRejected: there is no such thing.
        """
        return self.read_at(path, reply)[1]

    def read_at(self, path: str, reply: type[_Reply]) -> tuple[int, _Reply]:
        """As `read`, with the version of the fleet that the answer is no older than: it may be of a moment ago."""
        read = self.answers.get(path, lambda: (self.fleet.version, self.api.get(path, reply)))
        return cast("tuple[int, _Reply]", read)

    def facets(self) -> dict[str, list[str]]:
        """What a list can be filtered by, as it was a moment ago."""
        return self.filters.get("all", self.fleet.facets)

    def total(self, query: Query) -> int:
        """How many machines ``query`` asks for, as it was a moment ago."""
        last = self.totals.last(query)
        version = self.fleet.version  # before they are counted: what changes meanwhile is counted the next time
        if last and last[0] == version:
            return last[1]
        return self.totals.get(query, lambda: (version, len(query.among(self.fleet.all()))))[1]

    def api_of(self, token: str, *, for_page: bool = False) -> ApiClient:
        """The API as the person of ``token`` calls it here; ``for_page``: to read, in the time that a page has."""
        settings = _for_pages(self.settings) if for_page else self.settings
        return ApiClient(settings, self.contexts, token=token, console=_token(self.settings))

    def api_for(self, session: Session) -> ApiClient:
        """The API as a signed-in person calls it.

        Raises:
            ValueError: they signed in without a token, and may only read; `Session.may_act` is asked before.
        """
        if session.token is None:
            raise ValueError("a session without a token reads only")
        return self.api_of(session.token)


def _for_pages(settings: Settings) -> Settings:
    return settings.model_copy(update={"api_timeout_s": min(_PAGE_S, settings.api_timeout_s)})


def _token(settings: Settings) -> str:
    return settings.console_token.get_secret_value() if settings.console_token else ""


def console() -> Console:
    """That of the application which serves the present request."""
    found: Console = current_app.extensions[_KEY]
    return found
