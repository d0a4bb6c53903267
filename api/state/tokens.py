"""Run tokens: 32 random bytes, known to one machine, stored only as a hash, good for one run."""

import hashlib
import secrets
from datetime import timedelta
from typing import cast

from api.state.redis import Database, Pipeline
from bringup import keys


class RunTokens:
    """Mints run tokens and finds the run of a token.

    Args:
        keep: how long a token is recognised, so that a late caller learns that its run has ended.
    """

    def __init__(self, database: Database, keep: timedelta) -> None:
        self._database = database
        self._keep = keep

    def mint(self, run_id: str) -> str:
        """A new token for a run; the one before it stops working."""
        token = secrets.token_urlsafe(32)  # 256 bits: beyond guessing (RFC 6819 s.5.1.4.2.2)

        def write(pipe: Pipeline) -> None:
            before = cast("bytes | None", pipe.get(keys.run_token(run_id)))
            pipe.multi()
            if before:
                pipe.delete(keys.token_owner(before.decode()))
            pipe.set(keys.run_token(run_id), _digest(token), ex=self._keep)
            pipe.set(keys.token_owner(_digest(token)), run_id, ex=self._keep)

        self._database.transact(write, keys.run_token(run_id))
        return token

    def owner(self, token: str) -> str | None:
        """The run that ``token`` belongs to. The look-up is by hash, so its timing reveals nothing of the token."""
        owner = self._database.string(keys.token_owner(_digest(token)))
        return owner.decode() if owner else None

    def digest(self, run_id: str) -> str | None:
        """SHA-256 of the run's token, hexadecimal; None: it has none."""
        stored = self._database.string(keys.run_token(run_id))
        return stored.decode() if stored else None

    def count_refused(self, run_id: str) -> None:
        """Count a call for this run with a wrong token or certificate: it explains a time-out later.

        Only for runs that are open: else guessed ids would fill Redis with counters.
        """
        if not self._database.has_member(keys.OPEN_RUNS, run_id):
            return
        with self._database.errors():
            self._database.connection.incr(keys.refused(run_id))
            self._database.connection.expire(keys.refused(run_id), self._keep)

    def refused(self, run_id: str) -> int:
        """How many calls were counted as refused."""
        return int(self._database.string(keys.refused(run_id)) or 0)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
