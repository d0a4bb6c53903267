"""Serving the page: one process, which holds the fleet in memory, follows the feed and ends sessions."""

from collections.abc import Iterator
from threading import Thread
from time import sleep

from flask import Flask

from bringup import errors, log
from bringup.serving.server import Listener, listen
from bringup.settings import Settings
from bringup.wire.operator import OperatorList
from console.app import create_app
from console.services import Console
from console.state.follower import FeedFollower
from console.views.services import overview_of

# Seconds between two looks at who is an operator: a person who was removed is signed out so soon.
_OPERATORS_EVERY_S = 5.0
# Seconds between two looks at the services, whether people look or not: a page shows within twice that what is wrong.
_OVERVIEW_EVERY_S = 10.0


def serve(settings: Settings) -> None:
    """Serve until SIGTERM.

    Raises:
        SettingsError: before anything listens.
    """
    if problems := list(_problems(settings)):
        raise errors.SettingsError(problems)
    listen(
        settings,
        Listener(
            "console",
            settings.console_host,
            settings.console_port,
            "CONSOLE_HOST",
            "CONSOLE_PORT",
            lambda given: create_app(Console.of(given)),
            certificate="console_tls",
            started=_start_threads,
        ),
    )


def _problems(settings: Settings) -> Iterator[str]:
    """What must be there before anything listens."""
    if settings.console_token is None:
        yield "CONSOLE_TOKEN: must be set; on a host of the API run: bringup operator add NAME --role console"
    for name in ("console_tls_cert", "console_tls_key") if settings.api_use_tls else ():
        if not (path := settings.path_of(name)).exists():
            hint = "on the CA's host run: bringup pki issue web --name console --san ADDRESS"
            yield f"{name.upper()}: {path} does not exist, and API_USE_TLS=true needs it; {hint}"


def _start_threads(app: Flask) -> None:
    console: Console = app.extensions["console"]
    follower = FeedFollower(console.feed_client(), console.fleet, console.freshness)
    Thread(target=follower.run, daemon=True).start()
    Thread(target=_keep_sessions, args=(console,), daemon=True).start()
    Thread(target=_keep_overview, args=(console,), daemon=True).start()


def _keep_sessions(console: Console) -> None:
    """End the sessions of people who were removed, or have another role or token."""
    while True:
        end_sessions_of_others(console)
        sleep(_OPERATORS_EVERY_S)


def _keep_overview(console: Console) -> None:
    """Look at the services, so that every page can show how much of them needs a person."""
    while True:
        overview_of(console)
        sleep(_OVERVIEW_EVERY_S)


def end_sessions_of_others(console: Console) -> None:
    """As the API knows its operators now; while it does not answer, nobody is signed out."""
    try:
        found = console.api.get("/operators", OperatorList)
    except errors.BringupError as error:
        log.get("console").debug("the operators cannot be read", why=str(error))
        return
    console.sessions.keep({one.name: one for one in found.operators})
