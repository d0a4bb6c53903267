"""Applications of the API within the tests' own process."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from api.app import create_app
from bringup.settings import Settings


@contextmanager
def opened(settings: Settings) -> Iterator[Flask]:
    """One that is closed at the end."""
    app = create_app(settings)
    try:
        yield app
    finally:
        close(app)


def close(app: Flask) -> None:
    """End what it does in the background: it would try to reach a Redis that is gone, or write to another test's."""
    seen = app.extensions["bringup"].installation._seen
    with seen._lock:
        seen._pending.clear()
        timer = seen._timer
    if timer:
        timer.cancel()
        timer.join(60)  # of a flush that has begun
