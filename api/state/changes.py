"""The change number: incremented by every transaction that changes what must not be lost.

It shows whether Redis has lost changes: `api.state.installation` compares it with what each API host remembers.
There is one key, and only `api.state.feed` increments it, in the transaction of the change itself.
"""

import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar, cast

from api.state.batch import Asked, Batch, fields, text
from api.state.feed import LAST_CHANGE, REPAIR_NUMBER, change_number, time_in
from api.state.redis import Database, Pipeline
from bringup import errors, keys, log, model

_Result = TypeVar("_Result")
# Of a change number: what INCRBY can still add to.
_DIGITS = 18


@dataclass(frozen=True)
class Loss:
    """What a host noted in Redis when it found that Redis had lost changes; it stays until a person accepts it.

    Args:
        since: when it was noticed, ISO 8601.
        host: which API host noticed it.
        number, at: the last change that Redis held then, and its time ("": none).
        remembered: the highest change that a host had seen.
    """

    since: str
    host: str
    number: int
    at: str
    remembered: int

    @property
    def missing(self) -> int:
        """How many changes are lost."""
        return self.remembered - self.number


@dataclass(frozen=True)
class Recorded:
    """What Redis holds now.

    Args:
        installation: the id of the installation; None: there is none.
        number, at: the last change and its time, ISO 8601 ("": none, or not read).
        loss: what a host noted, if one did.
    """

    installation: str | None
    number: int
    at: str
    loss: Loss | None


class Changes:
    """What Redis holds of the changes, and what it has lost.

    Raises:
        RedisUnavailable: from every method, when Redis does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def recorded(self) -> Recorded:
        """What Redis holds now."""
        batch = Batch()
        recorded, last = self.ask(batch), batch.ask(list, "EVAL", LAST_CHANGE, 2, keys.CHANGE_NUMBER, keys.CHANGES)
        loss = batch.ask(lambda reply: _loss(fields(reply)), "HGETALL", keys.LOSS)
        self._database.read(batch)
        return replace(recorded(), at=_time(last()[1]), loss=loss())

    def ask(self, batch: Batch, remembered: int = 0) -> Asked[Recorded]:
        """The same without the time, which no decision needs, read with other things.

        Args:
            batch: with which it is read.
            remembered: the highest change that this host has seen. A number of another type may read as 0 then: it is
                below that, and `note_loss` looks again. To a host that remembers nothing, 0 is a new installation.
        """
        installation = batch.ask(text, "GET", keys.INSTALLATION)
        # A guard is a command more for each permit.
        ask_number = partial(batch.ask, change_number, "GET") if remembered else partial(batch.ask_guard, change_number)
        last = ask_number(keys.CHANGE_NUMBER)
        # As the inventories of the hosts are read, too: it shows whether there is a loss to read.
        noted = batch.ask(lambda reply: keys.LOSS_NOTED.encode() in reply, "HGETALL", keys.INVENTORY_HOSTS)
        return lambda: Recorded(installation(), last(), "", self._loss() if noted() else None)

    def look(self) -> Recorded:
        """As `recorded`; what an earlier build has noted, its `bringup restore` too, is found by `ask` from now on.

        For the start of a process, and every few seconds after it. A change number that something else has overwritten
        is set to that of the feed first: until then nothing is decided, and no lease is lost.
        """
        try:
            recorded = self.recorded()
        except errors.CorruptRecord:
            self._repair_number()
            recorded = self.recorded()
        if recorded.loss:
            # A Redis that takes no write now shows the loss all the same.
            with suppress(errors.RedisUnavailable, errors.PermanentError):
                self._database.transact(_mark)
        return recorded

    def _repair_number(self) -> None:
        def write(pipe: Pipeline) -> None:
            pipe.multi()
            pipe.eval(REPAIR_NUMBER, 2, keys.CHANGE_NUMBER, keys.CHANGES)

        if (number := self._database.execute(write)[0]) is not None:
            log.get("api").error(
                "the change number in Redis was no number: it is set to that of the newest change",
                key=keys.CHANGE_NUMBER,
                number=int(number),
                hint="find out what else writes to this database of Redis: each service has a user of its own",
            )

    def _loss(self) -> Loss | None:
        return _loss(self._database.fields(keys.LOSS))

    def join(self) -> str:
        """The id of the installation. Of several processes that start at once, one sets it: hence NX."""

        def write(pipe: Pipeline) -> None:
            pipe.multi()
            pipe.set(keys.INSTALLATION, secrets.token_hex(16), nx=True)

        # Written, then read: whichever process was first, all get the same id.
        self._database.transact(write)
        return str(self.recorded().installation)

    def confirmed(self) -> int:
        """The last change, when no failover can lose it: with Redis Sentinel, when the replicas have it.

        Raises:
            NotReplicated: they do not have it in time.
        """
        if not self._database.is_replicated:
            return change_number(self._database.string(keys.CHANGE_NUMBER))

        def look(pipe: Pipeline) -> int:
            last = change_number(cast("bytes | None", pipe.get(keys.CHANGE_NUMBER)))
            pipe.multi()
            return last

        # A transaction, because with Sentinel it returns only when the replicas have what was before it.
        return self._database.transact(look, keys.INSTALLATION)

    def note_loss(self, host: str, remembered: int) -> Loss | None:
        """Note for all hosts that ``host`` remembers a change that Redis does not hold.

        Args:
            host: for people.
            remembered: the number of that change.

        Returns:
            What was noted; None: Redis holds the change by now.
        """

        def write(pipe: Pipeline) -> Loss | None:
            recorded = self.recorded()
            if recorded.number >= remembered:
                pipe.multi()
                return None
            first = recorded.loss or Loss(model.utc_now().isoformat(), host, recorded.number, recorded.at, remembered)
            loss = Loss(first.since, first.host, first.number, first.at, max(first.remembered, remembered))
            pipe.multi()
            pipe.hset(keys.LOSS, mapping={name: str(value) for name, value in vars(loss).items()})
            pipe.hset(keys.INVENTORY_HOSTS, keys.LOSS_NOTED, 1)
            return loss

        # Watched: two hosts may notice the same loss at once, and the higher memory counts.
        return self._database.transact(write, keys.LOSS, keys.CHANGE_NUMBER)

    def accept(self, own_id: str | None, remembered: int) -> Recorded:
        """Go on with what Redis holds now.

        No number is ever given twice: a follower of the changes would take a new one for one that it knows.
        So the count continues after the highest number that any host is known to have seen.

        Args:
            own_id: becomes the id of the installation when Redis holds none.
            remembered: the highest change that this host has seen.
        """

        def write(pipe: Pipeline) -> Recorded:
            recorded = self.recorded()
            installation = recorded.installation or own_id or secrets.token_hex(16)
            last = max(recorded.number, remembered, recorded.loss.remembered if recorded.loss else 0)
            pipe.multi()
            pipe.set(keys.INSTALLATION, installation)
            pipe.set(keys.CHANGE_NUMBER, last)
            pipe.delete(keys.LOSS)
            pipe.hdel(keys.INVENTORY_HOSTS, keys.LOSS_NOTED)
            return Recorded(installation, last, recorded.at, None)

        # Watched: a change that comes meanwhile must not be counted below the number that is set here.
        return self._database.transact(write, keys.INSTALLATION, keys.CHANGE_NUMBER, keys.LOSS)


def _mark(pipe: Pipeline) -> None:
    pipe.multi()
    pipe.hset(keys.INVENTORY_HOSTS, keys.LOSS_NOTED, 1)


def _loss(stored: dict[str, bytes]) -> Loss | None:
    if not stored:
        return None
    known = {name: value.decode(errors="replace") for name, value in stored.items()}
    numbers: dict[str, Any] = {name: _count(stored.get(name, b"")) for name in ("number", "remembered")}
    # `bringup restore` notes the time as the feed has it.
    at = _time(stored.get("at", b"")) or known.get("at", "")
    return Loss(known.get("since", ""), known.get("host", ""), at=at, **numbers)


def _count(text: bytes) -> int:
    """A change number; 0: it cannot be read, and the loss is one all the same."""
    return int(text) if text.isdigit() and len(text) <= _DIGITS else 0


def _time(text: bytes) -> str:
    """A time of the feed, ISO 8601; empty: it is none."""
    at = time_in(text)
    return at.isoformat() if at else ""
