"""How long a TLS session is offered again: what is resumed is verified by nobody."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from bringup.tls_sessions import TlsSessions
from pki.authority import pem
from pki.names import STANDARD
from pki.store import Store
from tests.unit.pki import kit

SERVER = ("192.0.2.1", 6379)
NOW = datetime.now(UTC)
REDIS, WORKER, _ = STANDARD


class Clocks:
    """Both clocks of `TlsSessions`; the calendar's may jump."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.jumped = 0.0

    def sessions(self) -> TlsSessions:
        return TlsSessions(lambda: self.passed, lambda: NOW.timestamp() + self.passed + self.jumped)


class Connected:
    """A connection after its first answer."""

    def __init__(self, store: Store, *, session_reused: bool = False, end: timedelta = timedelta(days=9)) -> None:
        self.session = object()
        self.session_reused = session_reused
        self._presented = signed(store, end)

    def getpeercert(self, *, binary_form: bool) -> bytes:
        assert binary_form
        return ssl.PEM_cert_to_DER_cert(self._presented.decode())


def signed(store: Store, end: timedelta) -> bytes:
    forgery = kit.Forgery(identity=REDIS, start=NOW - timedelta(hours=1), end=NOW + end)
    return pem(forgery.sign(kit.authority_of(store)))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return kit.init_pki(tmp_path_factory.mktemp("sessions") / "pki", NOW)


@pytest.fixture
def context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def keep(sessions: TlsSessions, context: ssl.SSLContext, connection: Connected, own: Path) -> None:
    sessions.keep(context, SERVER, cast("ssl.SSLSocket", connection), own)


def test_a_session_is_offered_for_a_minute_after_its_full_handshake(store: Store, context: ssl.SSLContext) -> None:
    clocks = Clocks()
    sessions, connection = clocks.sessions(), Connected(store)
    assert sessions.session(context, SERVER) is None
    keep(sessions, context, connection, store.files(WORKER).certificate)
    clocks.passed = 59
    assert sessions.session(context, SERVER) is connection.session
    clocks.passed = 60
    assert sessions.session(context, SERVER) is None


def test_a_resumed_session_does_not_take_the_place_of_the_first(store: Store, context: ssl.SSLContext) -> None:
    clocks = Clocks()
    sessions, own = clocks.sessions(), store.files(WORKER).certificate
    keep(sessions, context, Connected(store), own)
    clocks.passed = 59
    keep(sessions, context, Connected(store, session_reused=True), own)
    clocks.passed = 61
    keep(sessions, context, Connected(store, session_reused=True), own)
    assert sessions.session(context, SERVER) is None


def test_a_session_is_not_offered_with_other_files_nor_to_another_server(store: Store, context: ssl.SSLContext) -> None:
    sessions = Clocks().sessions()
    keep(sessions, context, Connected(store), store.files(WORKER).certificate)
    assert sessions.session(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), SERVER) is None
    assert sessions.session(context, ("192.0.2.1", 6380)) is None
    assert sessions.session(context, ("192.0.2.2", 6379)) is None
    assert sessions.session(context, SERVER)


@pytest.mark.parametrize("whose", ["the server's", "our own"])
def test_a_session_is_not_offered_past_the_end_of_a_certificate(
    store: Store, context: ssl.SSLContext, tmp_path: Path, whose: str
) -> None:
    clocks = Clocks()
    sessions, soon = clocks.sessions(), timedelta(seconds=30)
    own = tmp_path / "own.pem"
    own.write_bytes(signed(store, end=soon if whose == "our own" else timedelta(days=9)))
    server_end = soon if whose == "the server's" else timedelta(days=9)
    keep(sessions, context, Connected(store, end=server_end), own)
    clocks.passed = 28
    assert sessions.session(context, SERVER)
    clocks.passed = 31
    assert sessions.session(context, SERVER) is None


def test_a_clock_that_was_set_forward_ends_a_session(store: Store, context: ssl.SSLContext) -> None:
    clocks = Clocks()
    sessions = clocks.sessions()
    keep(sessions, context, Connected(store), store.files(WORKER).certificate)
    clocks.jumped = timedelta(days=10).total_seconds()
    assert sessions.session(context, SERVER) is None


def test_a_certificate_of_ours_that_cannot_be_read_ends_a_session(
    store: Store, context: ssl.SSLContext, tmp_path: Path
) -> None:
    sessions = Clocks().sessions()
    keep(sessions, context, Connected(store), tmp_path / "missing.pem")
    assert sessions.session(context, SERVER) is None


def test_a_session_of_a_server_that_has_shown_no_certificate_is_not_offered(
    store: Store, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, connection = Clocks().sessions(), Connected(store)
    monkeypatch.setattr(connection, "getpeercert", lambda **_: None)
    keep(sessions, context, connection, store.files(WORKER).certificate)
    assert sessions.session(context, SERVER) is None


def test_a_server_that_has_refused_a_session_is_offered_none_for_a_minute(
    store: Store, context: ssl.SSLContext
) -> None:
    clocks = Clocks()
    sessions, own = clocks.sessions(), store.files(WORKER).certificate
    keep(sessions, context, Connected(store), own)
    sessions.refused(context, SERVER)
    keep(sessions, context, Connected(store), own)
    assert sessions.session(context, SERVER) is None
    clocks.passed = 60
    keep(sessions, context, Connected(store), own)
    assert sessions.session(context, SERVER)
