"""The secrets of a run: its token, and the secret in the address of its image. Redis holds only their hashes.

And what was counted of their use: refused calls, and how much of an image was read.
"""

import hashlib
import json
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, NamedTuple, cast

from api.runs.records import ImageRead, NewSecrets, RunRecord, read_state
from api.state.batch import Asked, Batch, number, text
from api.state.redis import Database, Pipeline
from bringup import errors, keys, model

# One round trip for both, at each of the thousands of small ranges of a BMC: what belongs to the secret, and the state
# of its run.
_FIND = """#!lua flags=no-writes
local fields, reply = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #reply, 2 do fields[reply[i]] = reply[i + 1] end
if not fields.run_id then return false end
local state = redis.call('HGET', ARGV[1] .. fields.run_id, 'state')
return {fields.run_id, fields.base or false, fields.sealed or false, state, fields.readers or false}
"""
# Three keys for each run: counted, set once, set once.
_BYTES, _PARAMETERS, _OTHER = "bytes", "parameters", "other"


class GivenOut(NamedTuple):
    """Digests of a run's token and image that an API of an earlier build has given out; None: it has given out none.

    It keeps them in keys of their own, and may have done so after this version, where both run side by side.
    """

    token: str | None = None
    image: str | None = None


def ask_given_out(batch: Batch, run_id: str) -> Asked[GivenOut]:
    """What an API of an earlier build has given out for a run, read with other things."""
    asked = [batch.ask(text, "GET", key(run_id)) for key in (keys.run_token, keys.run_image)]
    return lambda: GivenOut(*(read() for read in asked))


def write_secrets(pipe: Pipeline, before: RunRecord, earlier: GivenOut, new: NewSecrets, keep: timedelta) -> None:
    """Write the token and the image of a run; those before them stop working.

    A token that stayed valid beside the next one would speak for a machine that is not there any more.

    Args:
        pipe: of a transaction, after MULTI; it watches the record of the run.
        before: the run as it is on record.
        earlier: what an API of an earlier build has given out.
        new: what is written; the record of the run names both.
        keep: how long both are recognised, so that a late caller learns that its run has ended.
    """
    run_id = before.run_id
    if found := list(filter(None, (before.token_sha256, earlier.token))):
        pipe.delete(*map(keys.token_owner, found), keys.run_token(run_id))
    pipe.set(keys.token_owner(new.token_sha256), run_id, ex=keep)
    if image := new.image:
        if found := list(filter(None, (before.image_sha256, earlier.image))):
            pipe.delete(*map(keys.image, found), keys.run_image(run_id), *keys.image_reads(run_id))
        fields: dict[Any, Any] = {
            "run_id": run_id,
            "base": image.base,
            "sealed": image.encrypted,
            "readers": ",".join(image.readers),
        }
        pipe.hset(keys.image(image.locator), mapping=fields)
        pipe.expire(keys.image(image.locator), keep)


class RunTokens:
    """Finds the run of a token.

    Args:
        keep: how long a counter of refused calls is kept.
    """

    def __init__(self, database: Database, keep: timedelta) -> None:
        self._database = database
        self._keep = keep

    def owner(self, token: str) -> str | None:
        """The run that ``token`` belongs to. The look-up is by hash, so its timing reveals nothing of the token."""
        owner = self._database.string(keys.token_owner(token_digest(token)))
        return text(owner) or None

    def digest(self, run_id: str) -> str | None:
        """SHA-256 of the run's token, hexadecimal; None: it has none."""
        batch = Batch()
        recorded = batch.ask(text, "HGET", keys.run(run_id), "token_sha256")
        earlier = ask_given_out(batch, run_id)
        self._database.read(batch)
        # What an API of an earlier build has given out is the latest: this version deletes it with the next one.
        return earlier().token or json.loads(recorded() or "null") or None

    def count_refused(self, run_id: str) -> None:
        """Count a call for this run with a wrong token or certificate: it explains a time-out later.

        Only for runs that are open: else guessed ids would fill Redis with counters.
        """
        if not self._database.has_member(keys.OPEN_RUNS, run_id):
            return
        # Where the counter holds no number, the call is refused all the same: its answer must not be ours to fail.
        with suppress(errors.CorruptRecord), self._database.errors():
            self._database.connection.incr(keys.refused(run_id))
            self._database.connection.expire(keys.refused(run_id), self._keep)

    def refused(self, run_id: str) -> int:
        """How many calls were counted as refused."""
        return number(self._database.string(keys.refused(run_id)))


@dataclass(frozen=True)
class KnownImage:
    """What an address leads to.

    Args:
        etag: names this content, and reveals nothing of the secret.
        state: of the run.
        base: digest of the base image that it was made with.
        encrypted: the run's parameters.
        readers: addresses that are given them; None: made by a version that did not ask who reads.
    """

    run_id: str
    etag: str
    state: model.RunState
    base: str
    encrypted: bytes
    readers: tuple[str, ...] | None = None

    def without_parameters(self) -> "KnownImage":
        """What another than these readers is given: other bytes, and so another name for them."""
        return replace(self, etag=f"{self.etag}-base")


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

    def find(self, locator: str) -> KnownImage | None:
        """What the secret of ``locator`` leads to, whether or not it may still be read."""
        with self._database.errors():
            found = self._database.connection.eval(_FIND, 1, keys.image(locator), keys.run(""))
        if not found or not all(cast("list[bytes | None]", found)[:4]):
            return None  # the run itself may be forgotten already
        run_id, base, encrypted, state = cast("list[bytes]", found)[:4]
        readers = _readers(cast("list[bytes | None]", found)[4])
        return KnownImage(
            run_id.decode(errors="replace"),
            locator[:32],
            read_state(state),
            base.decode(errors="replace"),
            encrypted,
            readers,
        )

    def count_read(self, run_id: str, count: int, *, parameters: bool) -> bool:
        """More was read; without a transaction, for a BMC may read by thousands of small ranges.

        Args:
            count: bytes.
            parameters: the run's parameters were among them.

        Returns:
            Whether this was the first time that the parameters were.
        """
        with self._database.errors():
            pipe: Any = self._database.connection.pipeline(transaction=False)
            pipe.incrby(keys.image_read(run_id, _BYTES), count)
            pipe.expire(keys.image_read(run_id, _BYTES), self._keep)
            if parameters:
                pipe.set(keys.image_read(run_id, _PARAMETERS), time.time(), nx=True, ex=self._keep)
            return bool(pipe.execute()[-1]) and parameters

    def note_other(self, run_id: str, reader: str) -> bool:
        """Another than the BMC has read the image, without parameters. Returns whether it was the first such one."""
        with self._database.errors():
            redis = self._database.connection
            return bool(redis.set(keys.image_read(run_id, _OTHER), reader, nx=True, ex=self._keep))

    def read_of(self, run_id: str) -> ImageRead | None:
        """What was read of the run's image until now; None: it has none of ours."""
        with self._database.errors():
            pipe: Any = self._database.connection.pipeline(transaction=False)
            pipe.hget(keys.run(run_id), "image_sha256")
            pipe.exists(keys.run_image(run_id))
            for what in (_BYTES, _PARAMETERS, _OTHER):
                pipe.get(keys.image_read(run_id, what))
            digest, is_of_earlier_version, count, parameters, other = pipe.execute()
        if not json.loads(digest or "null") and not is_of_earlier_version:
            return None
        by_other = text(other) or ""
        return ImageRead(bytes_read=number(count), parameters=parameters is not None, other_reader=by_other)


def _readers(stored: bytes | None) -> tuple[str, ...] | None:
    return None if stored is None else tuple(filter(None, stored.decode(errors="replace").split(",")))


def new_token() -> str:
    """A token for one run."""
    return secrets.token_urlsafe(32)  # 256 bits: beyond guessing (RFC 6819 s.5.1.4.2.2)


def token_digest(token: str) -> str:
    """SHA-256, hexadecimal: Redis never holds a token."""
    return hashlib.sha256(token.encode()).hexdigest()
