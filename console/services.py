"""What the views work with: the settings, the fleet, who is signed in, and the API."""

from dataclasses import dataclass, field
from typing import TypeVar

from flask import current_app
from pydantic import BaseModel

from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.settings import Settings
from console.recent import RecentAnswers
from console.session.attempts import Attempts
from console.session.sessions import Session, Sessions
from console.state.fleet import Fleet
from console.state.follower import Freshness
from console.state.shown import ShownPages

_Reply = TypeVar("_Reply", bound=BaseModel)
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
    recent: RecentAnswers = field(default_factory=RecentAnswers)
    shown: ShownPages = field(default_factory=ShownPages)
    sessions: Sessions = field(default_factory=Sessions)
    attempts: Attempts = field(default_factory=Attempts)

    @classmethod
    def of(cls, settings: Settings) -> "Console":
        """The console of ``settings``, which has CONSOLE_TOKEN. Connects to nothing yet."""
        contexts = tls.ClientContexts()
        return cls(settings, contexts, ApiClient(settings, contexts, token=_token(settings)))

    def read(self, path: str, reply: type[_Reply]) -> _Reply:
        """What the API answers to ``GET`` of ``path``, now or a moment ago.

        Raises:
            ApiUnavailable: it does not answer.
            ApiRejected: there is no such thing.
        """
        return self.recent.get(path, lambda: self.api.get(path, reply))

    def api_of(self, token: str) -> ApiClient:
        """The API as the person of ``token`` calls it, at this console."""
        return ApiClient(self.settings, self.contexts, token=token, console=_token(self.settings))

    def api_for(self, session: Session) -> ApiClient:
        """The API as a signed-in person calls it.

        Raises:
            ValueError: they signed in without a token, and may only read; `Session.may_act` says so before.
        """
        if session.token is None:
            raise ValueError("a session without a token reads only")
        return self.api_of(session.token)


def _token(settings: Settings) -> str:
    return settings.console_token.get_secret_value() if settings.console_token else ""


def console() -> Console:
    """That of the application which serves the present request."""
    found: Console = current_app.extensions[_KEY]
    return found
