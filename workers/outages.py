"""Saying that Redis or the API is away: once, however many threads meet it, and once when it is back."""

import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from threading import Lock

from bringup import log
from bringup.errors import ApiRejected, ApiUnavailable, BringupError


class Side(StrEnum):
    """Whom we wait for."""

    REDIS = "Redis"
    API = "the API"

    @classmethod
    def of(cls, error: BringupError) -> "Side":
        """The side that ``error`` comes from."""
        return cls.API if isinstance(error, ApiUnavailable | ApiRejected) else cls.REDIS


class Outages:
    """What is away now. A step is judged by when it began: what it met may be over, or not yet met, by then."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._away_since: dict[Side, float] = {}
        self._back_since: dict[Side, float] = {}

    def now(self) -> float:
        """The time at which a step begins."""
        return self._clock()

    def met(self, error: BringupError, began_at: float) -> None:
        """A step that began at ``began_at`` ended in ``error``."""
        side = Side.of(error)
        with self._lock:
            if side in self._away_since or began_at < self._back_since.get(side, began_at):
                return
            self._away_since[side] = self._clock()
        log.get("workers").warning("waiting; nothing is lost", why=str(error))

    def got_through(self, sides: Iterable[Side], began_at: float) -> None:
        """A step that began at ``began_at`` spoke to ``sides``, and they answered."""
        for side in sides:
            with self._lock:
                if began_at < self._away_since.get(side, began_at + 1):
                    continue
                del self._away_since[side]
                self._back_since[side] = self._clock()
            log.get("workers").info("working again", after=side.value)
