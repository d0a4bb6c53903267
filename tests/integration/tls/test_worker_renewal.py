"""A worker runs through a renewal, the end of its old certificate and a CA rollover, while leases keep coming.

After each step every open connection is cut, so that all that follows is done with the files of that step alone.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.connections.redis_client import connect_redis, redis_errors
from bringup.errors import BringupError, TransientError
from bringup.model import LeaseAction, LeaseEvent
from bringup.queues import Queues
from bringup.wire.run import RunDetail
from pki.names import STANDARD
from pki.profile import Validity
from pki.renew import apply, plan
from pki.session import CaSession
from tests.integration.selftest.site import Site
from tests.integration.tls.conftest import Caller
from tests.integration.tls.test_crl import accepts

_REDIS, WORKER, _API = STANDARD
SHORT = timedelta(seconds=15)  # until then the worker has started, and has been given its next certificate
WITHIN_S = 60.0
EVERY_S = 0.1


class Leases:
    """A source of leases, and what became of them. Its own connections live through everything, too."""

    def __init__(self, site: Site) -> None:
        self._settings = site.stack.settings_of("tailer")
        self._queues = Queues(connect_redis(self._settings, tls.ClientContexts(), name="leases"))
        self._api = ApiClient(site.settings, tls.ClientContexts())
        self._stop = Event()
        self.sent: list[str] = []

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """A lease every tenth of a second."""
        thread = Thread(target=self._send)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(WITHIN_S)

    def check_next_is_taken_up(self) -> None:
        """A lease that is sent from now on reaches the API."""
        number = len(self.sent)
        eventually(lambda: len(self.sent) > number, "another lease was sent")
        eventually(lambda: self.is_taken_up(self.sent[number]), "the API has the run of a lease sent now")

    def forget_taken_up(self) -> list[str]:
        """What is not taken up yet."""
        self.sent = [one for one in self.sent if not self.is_taken_up(one)]
        return self.sent

    def is_taken_up(self, run_id: str) -> bool:
        """Whether the API has its run."""
        try:
            self._api.get(f"/runs/{run_id}", RunDetail)
        except BringupError:
            return False
        return True

    def _send(self) -> None:
        while not self._stop.wait(EVERY_S):
            event = _lease(len(self.sent))
            eventually(lambda: self._is_enqueued(event), "the lease is in its queue")  # noqa: B023 - at once
            self.sent.append(event.run_id)

    def _is_enqueued(self, event: LeaseEvent) -> bool:
        """A connection that is cut is an error that passes, for the tailer too; a repeated lease is recognised."""
        try:
            with redis_errors(self._settings):
                self._queues.add_lease(event)
        except TransientError:
            return False
        return True


def _lease(number: int) -> LeaseEvent:
    document = {"mac": f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}", "ip": "192.0.2.1", "source": "tests"}
    return LeaseEvent.model_validate(document | {"action": LeaseAction.ASSIGNED, "starts": "2026-01-01T00:00:00Z"})


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until ``holds``; fail with ``what`` when it does not in time."""
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {WITHIN_S:.0f} s: {what}"
        time.sleep(0.05)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, use_tls=True)
    with made.stack:
        made.stack.configure({"RETRY_MIN_S": "1", "RETRY_MAX_S": "2"})  # the API is away for moments only
        yield made


def renew_for(site: Site, lasting: timedelta) -> datetime:
    """A certificate of the worker that ends soon; when."""
    now = datetime.now(UTC)
    validity = Validity(leaf_days=lasting / timedelta(days=1))
    with CaSession.open(site.store, "a test", now, validity=validity) as session:
        apply(session, list(plan(session, [WORKER], renew_days=0, force=True)), rekey=False)
        session.commit()
    return now + lasting


def thief_of(site: Site, name: str) -> Caller:
    """A thief with a copy of the worker's certificate as it is now."""
    folder, files = site.folder / name, site.store.files(WORKER)
    folder.mkdir()
    cert, key, ca = (
        Path(shutil.copy(one, folder)) for one in (files.certificate, files.key, site.store.ca_certificate)
    )
    token = site.settings.api_token
    assert token
    return Caller(ca, site.settings.callback_api_port, token.get_secret_value(), cert, key)


def cut_connections(site: Site) -> None:
    """Nothing goes on over a connection that was made before."""
    site.stack.stop("api")
    site.stack.start("api")
    site.keeper.client_kill_filter(_type="normal", skipme=True)


@pytest.mark.slow
def test_no_lease_is_left_behind_by_a_renewal_or_a_rollover(site: Site) -> None:
    stack, leases = site.stack, Leases(site)
    ends_at, first = renew_for(site, SHORT), thief_of(site, "first")
    stack.start("work")
    with leases.flowing():
        leases.check_next_is_taken_up()
        stack.command("pki", "renew", "worker", "--force")
        assert accepts(first)
        eventually(lambda: datetime.now(UTC) > ends_at + timedelta(seconds=1), "the first certificate has ended")
        cut_connections(site)
        assert not accepts(first), "the first certificate has not ended, or no server checks it"
        leases.check_next_is_taken_up()
        second = thief_of(site, "second")
        for step in ("start", "advance", "advance", "finish"):
            stack.command("pki", "rollover", step)
            site.reload_redis()
            cut_connections(site)
            leases.check_next_is_taken_up()
        assert not accepts(second), "the old CA is still trusted"
    assert len(leases.sent) > 50
    eventually(lambda: leases.forget_taken_up() == [], "every lease was taken up")
