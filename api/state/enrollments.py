"""What renewal by EST keeps: requests until the CA has decided, decisions until they were fetched, and what is trusted.

One request for each identity and presenter: a client that asks again with another key replaces its own request, and
nobody else's.
"""

import hashlib
from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ValidationError

from api.state.redis import Database, Pipeline
from bringup import errors, keys
from bringup.wire.message import read_reply
from bringup.wire.site import Enrollment, HostJoin, HostReport, HostView, Trust

# A CA's host that is down over a weekend finds every request; a client that still wants it has asked again by then.
_KEEP = timedelta(days=7)
# Of one presenter: a host has at most eight identities.
MOST_OF_ONE = 16
# In all: a thousand hosts that are due on one day, of 8 KiB each.
MOST = 4096
# In one response, of 8 KiB each.
PAGE = 100
# Of one host: a person looks at them, and one that joins at every start of a container must not fill the memory.
MOST_JOINS = 8
_FIELD = "trust"
_VERSION = "crl"  # the list alone: what API hosts look at every second


class TooManyRequests(errors.BringupError):
    """No further request is kept until the CA has decided on those that are open."""


class EnrollmentRecord(BaseModel):
    """A request, and what the CA has decided: a certificate, a reason for none, or neither yet."""

    id: str
    presenter_serial: str
    request: str
    received_at: AwareDatetime
    certificate: str = ""
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """The CA has not decided yet."""
        return not self.certificate and not self.reason


def enrollment_id(presenter: str, identity: str, content: bytes) -> str:
    """The same for the same request of the same presenter, so that asking again is no other request.

    Args:
        presenter: the identity in the certificate that was presented.
        identity: the identity to renew.
        content: of the request without its signature, which differs each time that a client signs it.
    """
    return hashlib.sha256(f"{presenter} {identity} ".encode() + content).hexdigest()


class Enrollments:
    """All of them.

    Raises:
        RedisUnavailable: from every method, when Redis does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, presenter: str, identity: str, asked: EnrollmentRecord) -> EnrollmentRecord:
        """Keep a request, unless it is on record; the one on record.

        Args:
            presenter: the identity in the certificate that was presented.
            identity: the identity to renew.
            asked: without a decision.

        Raises:
            TooManyRequests: none is kept.
        """
        key, member = keys.enrollments_of(presenter), f"{presenter} {identity}"

        def body(pipe: Pipeline) -> EnrollmentRecord:
            known = self._database.fields(key, within=pipe)
            present = _read(known.get(identity))
            if present and present.id == asked.id:
                pipe.multi()
                return present
            full = identity not in known and len(known) >= MOST_OF_ONE
            if full or (self._database.count(keys.ENROLLMENTS) >= MOST and not (present and present.is_open)):
                raise TooManyRequests
            pipe.multi()
            pipe.hset(key, identity, asked.model_dump_json())
            pipe.expire(key, _KEEP)
            pipe.zremrangebyscore(keys.ENROLLMENTS, 0, (asked.received_at - _KEEP).timestamp())
            pipe.zadd(keys.ENROLLMENTS, {member: asked.received_at.timestamp()})
            return asked

        # Watched: two requests at once must not both count as the last that is allowed.
        return self._database.transact(body, key)

    def open(self) -> tuple[Enrollment, ...]:
        """Those that wait for the CA, the oldest first."""
        found = []
        for member in self._database.oldest(keys.ENROLLMENTS, PAGE):
            presenter, _, identity = member.partition(" ")
            record = _read(self._database.field(keys.enrollments_of(presenter), identity))
            if record and record.is_open:
                known = record.model_dump(exclude={"certificate", "reason"})
                found.append(Enrollment(identity=identity, presenter=presenter, **known))
            else:
                self._close(member)  # it has expired
        return tuple(found)

    def find(self, enrollment_id: str) -> Enrollment | None:
        """One that waits; None: it is unknown, decided or replaced."""
        return next((one for one in self.open() if one.id == enrollment_id), None)

    def decide(self, known: Enrollment, *, certificate: str = "", reason: str = "") -> bool:
        """Record what the CA has decided; False where the request was replaced meanwhile.

        Args:
            known: as `find` returned it.
            certificate: in PEM.
            reason: why there is none.
        """
        key = keys.enrollments_of(known.presenter)

        def body(pipe: Pipeline) -> bool:
            present = _read(self._database.fields(key, within=pipe).get(known.identity))
            pipe.multi()
            if present is None or present.id != known.id:
                return False
            decided = present.model_copy(update={"certificate": certificate, "reason": reason})
            pipe.hset(key, known.identity, decided.model_dump_json())
            pipe.zrem(keys.ENROLLMENTS, f"{known.presenter} {known.identity}")
            return True

        # Watched: a decision on an earlier key must not land on the request that has replaced it.
        return self._database.transact(body, key)

    def _close(self, member: str) -> None:
        with self._database.errors():
            self._database.connection.zrem(keys.ENROLLMENTS, member)


def _read(stored: bytes | None) -> EnrollmentRecord | None:
    try:
        return EnrollmentRecord.model_validate_json(stored) if stored else None
    except ValidationError:
        return None


class TrustStore:
    """Anchors and lists as the CA's host has posted them, and the reports of hosts.

    Raises:
        RedisUnavailable: from every method, when Redis does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def publish(self, trust: Trust) -> None:
        """Replace what is published."""

        def body(pipe: Pipeline) -> None:
            pipe.multi()
            pipe.hset(keys.TRUST, mapping={_FIELD: trust.model_dump_json(), _VERSION: trust.crl})

        self._database.transact(body)

    def published(self) -> Trust | None:
        """What is published; None: nothing yet."""
        stored = self._database.field(keys.TRUST, _FIELD)
        try:
            return Trust.model_validate_json(stored) if stored else None
        except ValidationError:
            return None

    def crl(self) -> bytes | None:
        """The revocation lists that are published, in PEM."""
        return self._database.field(keys.TRUST, _VERSION)

    def report(self, name: str, report: HostReport, now: datetime, address: str) -> None:
        """Keep what a host has; as many as there are hosts with a certificate.

        Args:
            name: of the host.
            report: what it has.
            now: when it was received.
            address: where it came from.
        """

        def body(pipe: Pipeline) -> None:
            present = _view(self._database.fields(keys.HOSTS, within=pipe).get(name, b""))
            joins = _with_join(present.joins if present else (), report, now, address)
            view = HostView(name=name, at=now, address=address, report=report, joins=joins)
            pipe.multi()
            pipe.hset(keys.HOSTS, name, view.model_dump_json())

        # Watched: of two computers that report as one host at once, both must stay on record.
        self._database.transact(body, keys.HOSTS)

    def hosts(self) -> tuple[HostView, ...]:
        """The last report of every host, by name."""
        stored = self._database.fields(keys.HOSTS)
        return tuple(view for _, text in sorted(stored.items()) if (view := _view(text)))


def _with_join(known: tuple[HostJoin, ...], report: HostReport, now: datetime, address: str) -> tuple[HostJoin, ...]:
    """The joins on record and, if it is a new one, that of the report: the first is kept, and the newest."""
    if report.join is None or any(one.id == report.join.id for one in known):
        return known
    new = HostJoin(**report.join.model_dump(), at=now, address=address)
    return (*known[:1], *known[1:][-(MOST_JOINS - 2) :], new)


def _view(text: bytes) -> HostView | None:
    try:
        return read_reply(HostView, text)
    except ValidationError:
        return None
