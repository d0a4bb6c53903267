"""What the CA has published, and what every host of the site has of it."""

from datetime import datetime

from pydantic import ValidationError

from api.state.redis import Database, Pipeline
from bringup import keys
from bringup.wire.site import HostReport, HostView, Trust

_FIELD = "trust"
_VERSION = "crl"  # the list alone: what API hosts look at every second


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

    def report(self, name: str, report: HostReport, now: datetime) -> None:
        """Keep what a host has; as many as there are hosts with a certificate.

        Args:
            name: of the host.
            report: what it has.
            now: when it was received.
        """
        view = HostView(name=name, at=now, report=report)
        with self._database.errors():
            self._database.connection.hset(keys.HOSTS, name, view.model_dump_json())

    def hosts(self) -> tuple[HostView, ...]:
        """The last report of every host, by name."""
        stored = self._database.fields(keys.HOSTS)
        return tuple(view for _, text in sorted(stored.items()) if (view := _view(text)))


def _view(text: bytes) -> HostView | None:
    try:
        return HostView.model_validate_json(text)
    except ValidationError:
        return None
