"""Who follows the feed of changes, and how far behind each was when it asked last."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, NonNegativeFloat, ValidationError

from api.state.batch import Asked, Batch, ask_now, fields
from api.state.redis import Database, Pipeline
from bringup import errors, keys, model

# Seconds between two records of one follower by one process: a follower asks twice a second, each record is a write.
_RECORD_EVERY_S = 5.0
# A follower that has asked for nothing for so long was retired: it is no longer shown.
FORGET_AFTER = timedelta(days=7)


class _Asked(BaseModel):
    """``lag_s``: age of the oldest change that it had not handled; 0: it had handled all."""

    at: AwareDatetime
    lag_s: NonNegativeFloat


class Followers:
    """All of them: a follower is a name of OPERATORS_FILE, which bounds their number.

    Args:
        monotonic: a clock, in seconds.
    """

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._record_at: dict[str, float] = {}

    def saw(self, name: str, oldest: datetime | None) -> None:
        """A follower has asked.

        Args:
            name: of the follower.
            oldest: when the oldest change was made that it had not handled; None: it had handled all.
        """
        now = self._monotonic()
        if now < self._record_at.get(name, now):
            return
        self._record_at[name] = now + _RECORD_EVERY_S
        at = model.utc_now()
        asked = _Asked(at=at, lag_s=max(0.0, (at - oldest).total_seconds()) if oldest else 0.0)

        def body(pipe: Pipeline) -> None:
            pipe.multi()
            pipe.hset(keys.FOLLOWERS, name, asked.model_dump_json())

        # A Redis that takes no write must not keep a follower from reading.
        with suppress(errors.TransientError):
            self._database.transact(body)

    def ask(self, batch: Batch) -> Asked[Mapping[str, float]]:
        """Seconds that each follower is behind, by name, read with other things."""
        stored, now = batch.ask(fields, "HGETALL", keys.FOLLOWERS), ask_now(batch)

        def read() -> Mapping[str, float]:
            lags = {name: _lag_s(text, now()) for name, text in sorted(stored().items())}
            return {name: lag for name, lag in lags.items() if lag is not None}

        return read


def _lag_s(text: bytes, now: datetime) -> float | None:
    """None: it was retired, or is recorded by a version that we do not know."""
    try:
        asked = _Asked.model_validate_json(text)
    except ValidationError:
        return None
    silent = now - asked.at
    return None if silent > FORGET_AFTER else asked.lag_s + max(0.0, silent.total_seconds())
