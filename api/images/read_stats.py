"""What was read of a run's image: it tells a BMC that never looked from a machine that did not come up."""

import time
from datetime import timedelta
from typing import Any

from api.runs.records import ImageRead
from api.state.redis import Database
from bringup import keys

_FIRST, _BYTES, _PARAMETERS = "first", "bytes", "parameters"


class ImageReads:
    """Counts, without transactions: a BMC may read by thousands of small ranges.

    Args:
        keep: how long the counts stay.
    """

    def __init__(self, database: Database, keep: timedelta) -> None:
        self._database = database
        self._keep = keep

    def add(self, run_id: str, count: int, *, parameters: bool) -> bool:
        """More was read. Whether this was the first time that the run's parameters were.

        Args:
            count: bytes.
            parameters: they were among them.
        """
        now = time.time()
        with self._database.errors():
            pipe: Any = self._database.connection.pipeline(transaction=False)
            pipe.set(keys.image_read(run_id, _FIRST), now, nx=True, ex=self._keep)
            pipe.incrby(keys.image_read(run_id, _BYTES), count)
            pipe.expire(keys.image_read(run_id, _BYTES), self._keep)
            if parameters:
                pipe.set(keys.image_read(run_id, _PARAMETERS), now, nx=True, ex=self._keep)
            return bool(pipe.execute()[-1]) and parameters

    def of(self, run_id: str) -> ImageRead:
        """What was read until now."""
        with self._database.errors():
            pipe: Any = self._database.connection.pipeline(transaction=False)
            for what in (_BYTES, _PARAMETERS):
                pipe.get(keys.image_read(run_id, what))
            count, parameters = pipe.execute()
        return ImageRead(bytes_read=int(count or 0), parameters=parameters is not None)

    def forget(self, pipe: Any, run_id: str) -> None:
        """A new image of the run has not been read at all."""
        pipe.delete(*(keys.image_read(run_id, what) for what in (_FIRST, _BYTES, _PARAMETERS)))
