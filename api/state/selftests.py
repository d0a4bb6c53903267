"""The last result of the daily self-test of each host."""

from datetime import datetime, timedelta

from pydantic import ValidationError

from api.state.batch import Asked, Batch, ask_now, fields
from api.state.redis import Database, Pipeline
from bringup import errors, keys
from bringup.wire.message import read_reply
from bringup.wire.services import SelfTestReport, SelfTestView

# Hosts, of some 300 bytes each: a worker that was taken over must not fill the memory by names of its own.
MOST_HOSTS = 1000
# A host that has posted nothing for so long was retired: it is no longer shown.
FORGET_AFTER = timedelta(days=30)


class TooManyHosts(errors.BringupError):
    """No further host's result is kept until others are forgotten."""


class SelfTests:
    """All of them.

    Raises:
        RedisUnavailable: from every method, when Redis does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, report: SelfTestReport, now: datetime, by: str) -> SelfTestView:
        """Replace what the host has posted before.

        Args:
            report: as it was posted.
            now: when.
            by: whose certificate or token it came with.

        Raises:
            TooManyHosts: it is not kept.
        """
        view = SelfTestView(**report.model_dump(), at=now, by=by)

        def body(pipe: Pipeline) -> SelfTestView:
            known = _read(self._database.fields(keys.SELFTESTS, within=pipe))
            old = [name for name, one in known.items() if now - one.at > FORGET_AFTER]
            if report.host not in known and len(known) - len(old) >= MOST_HOSTS:
                raise TooManyHosts
            pipe.multi()
            if old:
                pipe.hdel(keys.SELFTESTS, *old)
            pipe.hset(keys.SELFTESTS, report.host, view.model_dump_json())
            return view

        # Watched: two new hosts at once must not both count as the last that is allowed.
        return self._database.transact(body, keys.SELFTESTS)

    def ask(self, batch: Batch) -> Asked[tuple[tuple[SelfTestView, ...], datetime]]:
        """The last result of each host, by name, and the time now."""
        stored, now = batch.ask(fields, "HGETALL", keys.SELFTESTS), ask_now(batch)

        def read() -> tuple[tuple[SelfTestView, ...], datetime]:
            known = _read(stored())
            return tuple(one for _, one in sorted(known.items()) if now() - one.at <= FORGET_AFTER), now()

        return read

    def all(self) -> tuple[SelfTestView, ...]:
        """The last result of each host, by name."""
        batch = Batch()
        found = self.ask(batch)
        self._database.read(batch)
        return found()[0]


def _read(stored: dict[str, bytes]) -> dict[str, SelfTestView]:
    found = {}
    for name, text in stored.items():
        try:
            found[name] = read_reply(SelfTestView, text)
        except ValidationError:
            continue  # of a version that we do not know; it must not hide the others
    return found
