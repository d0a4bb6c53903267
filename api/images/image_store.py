"""The images of runs: one address for each minting, good for its run alone and as long as that goes on."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from cryptography.fernet import InvalidToken

from api.images import crypto
from api.images.base_image import BaseImageFile
from api.images.concurrency import Readers
from api.images.parameters import area_of
from api.images.read_stats import ImageReads
from api.runs.records import ImageRead, read_state
from api.state.redis import Database
from bringup import keys
from bringup.errors import CorruptRecord, RedisUnavailable
from bringup.model import RunState
from bringup.wire.machine import IMAGE_FILE, RunParameters

if TYPE_CHECKING:
    from redis.client import Pipeline

# One round trip for both: what belongs to the secret, and how its run stands.
_FIND = """
local run_id = redis.call('HGET', KEYS[1], 'run_id')
if not run_id then return false end
local state = redis.call('HGET', ARGV[1] .. run_id, 'state')
return {run_id, redis.call('HGET', KEYS[1], 'base'), redis.call('HGET', KEYS[1], 'sealed'), state}
"""


@dataclass(frozen=True)
class KnownImage:
    """What an address leads to.

    Args:
        etag: names this content, and tells nothing of the secret.
        state: of the run.
        base: digest of the base image that it was minted with.
        sealed: the run's parameters.
    """

    run_id: str
    etag: str
    state: RunState
    base: str
    sealed: bytes


class Images:
    """Mints images and finds them again by their secret. Redis never holds a secret, nor a token in clear.

    Args:
        keep: how long an address is recognised, so that a late caller learns that its run has ended.
    """

    def __init__(self, database: Database, base: BaseImageFile, keep: timedelta) -> None:
        self._database = database
        self.base = base
        self._keep = keep
        self.reads = ImageReads(database, keep)
        self.readers = Readers()

    def mint(self, parameters: RunParameters, secret: str) -> str:
        """The path of a new image, below /api/v1; the one before it of the same run stops working.

        Args:
            secret: from `crypto.new_secret`.

        Raises:
            ParametersTooLarge: they do not fit into the image.
        """
        area_of(parameters)
        run_id = parameters.run_id
        sealed = crypto.seal(secret, parameters.model_dump_json().encode())
        fields: dict[Any, Any] = {"run_id": run_id, "base": self.base.current().digest, "sealed": sealed}
        self._write(run_id, crypto.locator(secret), fields)
        return f"/images/{secret}/{IMAGE_FILE}"

    def _write(self, run_id: str, locator: str, fields: dict[Any, Any]) -> None:
        def write(pipe: "Pipeline") -> None:
            before = cast("bytes | None", pipe.get(keys.run_image(run_id)))
            pipe.multi()
            if before:
                pipe.delete(keys.image(before.decode()))
            self.reads.forget(pipe, run_id)
            pipe.set(keys.run_image(run_id), locator, ex=self._keep)
            pipe.hset(keys.image(locator), mapping=fields)
            pipe.expire(keys.image(locator), self._keep)

        self._database.transact(write, keys.run_image(run_id))

    def find(self, secret: str) -> KnownImage | None:
        """What ``secret`` leads to, whether or not it may still be read."""
        locator = crypto.locator(secret)
        with self._database.errors():
            found = self._database.connection.eval(_FIND, 1, keys.image(locator), keys.run(""))
        if not found or not all(cast("list[bytes | None]", found)):
            return None  # the run itself may be forgotten already
        run_id, base, sealed, state = cast("list[bytes]", found)
        return KnownImage(run_id.decode(), locator[:32], read_state(state), base.decode(), sealed)

    def lives(self, secret: str) -> bool:
        """Whether the image may be read still; where that cannot be asked it may, for its run may well go on."""
        try:
            known = self.find(secret)
        except RedisUnavailable:
            return True
        return known is not None and not known.state.ended

    def parameters(self, image: KnownImage, secret: str) -> RunParameters:
        """What the run's machine will know. Raises CorruptRecord: somebody else has written it."""
        try:
            # What a newer version has added is for its agent: it is handed on as it is.
            return RunParameters.model_validate_json(crypto.unseal(secret, image.sealed), extra="allow")
        except (InvalidToken, ValueError):
            raise CorruptRecord("the parameters of a run's image in Redis cannot be read") from None

    def read_of(self, run_id: str) -> ImageRead | None:
        """What was read of the run's image; None: it has none of ours."""
        return self.reads.of(run_id) if self._database.string(keys.run_image(run_id)) else None
