"""What Redis holds of the images of runs: which secret leads to which run, and what was read of its image.

The secrets themselves are never here, nor is a token in clear: `api.images.crypto`.
"""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from api.runs.records import ImageRead, read_state
from api.state.redis import Database, Pipeline
from bringup import keys, model

# One round trip for both, at each of the thousands of small ranges of a BMC: what belongs to the secret, and the state
# of its run.
_FIND = """
local run_id = redis.call('HGET', KEYS[1], 'run_id')
if not run_id then return false end
local state = redis.call('HGET', ARGV[1] .. run_id, 'state')
return {run_id, redis.call('HGET', KEYS[1], 'base'), redis.call('HGET', KEYS[1], 'sealed'), state}
"""
_FIRST, _BYTES, _PARAMETERS = "first", "bytes", "parameters"


@dataclass(frozen=True)
class KnownImage:
    """What an address leads to.

    Args:
        etag: names this content, and reveals nothing of the secret.
        state: of the run.
        base: digest of the base image that it was minted with.
        sealed: the run's parameters.
    """

    run_id: str
    etag: str
    state: model.RunState
    base: str
    sealed: bytes


class ImageRecords:
    """Finds images by the hash of their secret, and counts what was read of them.

    Args:
        keep: how long an address is recognised, so that a late caller learns that its run has ended.

    Raises:
        RedisUnavailable: from every method, when Redis does not answer.
    """

    def __init__(self, database: Database, keep: timedelta) -> None:
        self._database = database
        self._keep = keep

    def put(self, run_id: str, locator: str, *, base: str, sealed: bytes) -> None:
        """A new image of a run; the one before it is not found any more, and nothing was read of the new one.

        Args:
            locator: SHA-256 of the secret in its address, hexadecimal.
            base: digest of the base image.
            sealed: the run's parameters, encrypted.
        """
        fields: dict[Any, Any] = {"run_id": run_id, "base": base, "sealed": sealed}

        def write(pipe: Pipeline) -> None:
            before = cast("bytes | None", pipe.get(keys.run_image(run_id)))
            pipe.multi()
            if before:
                pipe.delete(keys.image(before.decode()))
            pipe.delete(*(keys.image_read(run_id, what) for what in (_FIRST, _BYTES, _PARAMETERS)))
            pipe.set(keys.run_image(run_id), locator, ex=self._keep)
            pipe.hset(keys.image(locator), mapping=fields)
            pipe.expire(keys.image(locator), self._keep)

        self._database.transact(write, keys.run_image(run_id))

    def find(self, locator: str) -> KnownImage | None:
        """What the secret of ``locator`` leads to, whether or not it may still be read."""
        with self._database.errors():
            found = self._database.connection.eval(_FIND, 1, keys.image(locator), keys.run(""))
        if not found or not all(cast("list[bytes | None]", found)):
            return None  # the run itself may be forgotten already
        run_id, base, sealed, state = cast("list[bytes]", found)
        return KnownImage(run_id.decode(), locator[:32], read_state(state), base.decode(), sealed)

    def count_read(self, run_id: str, count: int, *, parameters: bool) -> bool:
        """More was read; without a transaction, for a BMC may read by thousands of small ranges.

        Args:
            count: bytes.
            parameters: the run's parameters were among them.

        Returns:
            Whether this was the first time that the parameters were.
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

    def read_of(self, run_id: str) -> ImageRead | None:
        """What was read of the run's image until now; None: it has none of ours."""
        with self._database.errors():
            pipe: Any = self._database.connection.pipeline(transaction=False)
            pipe.exists(keys.run_image(run_id))
            for what in (_BYTES, _PARAMETERS):
                pipe.get(keys.image_read(run_id, what))
            is_ours, count, parameters = pipe.execute()
        return ImageRead(bytes_read=int(count or 0), parameters=parameters is not None) if is_ours else None
