"""Real mutual TLS with the files as they lie there, all the way through a CA rollover."""

import socket
import ssl
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from pki import rollover
from pki.names import Identity
from pki.store import Files, Store
from tests.integration.pki.conftest import Live
from tests.unit.pki import kit
from tests.unit.pki.kit import API, REDIS, WORKER


@dataclass(frozen=True)
class Side:
    """What one side of a handshake has on its disk."""

    certificate: Path
    key: Path
    ca: Path

    @classmethod
    def of(cls, files: Files, store: Store) -> "Side":
        return cls(files.bundle, files.key, store.ca_certificate)


def context(side: Side, *, server: bool, crl: Path | None = None) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    made.load_verify_locations(side.ca)
    made.load_cert_chain(side.certificate, side.key)
    made.verify_mode = ssl.CERT_REQUIRED
    if crl:
        made.load_verify_locations(crl)
        made.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return made


def talk(server: Side, client: Side, name: str, crl: Path | None = None) -> bytes:
    """What the client reads after the handshake. with TLS 1.3 it learns of a refusal only when it reads."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        thread = threading.Thread(target=_serve, args=(listener, context(server, server=True, crl=crl)))
        thread.start()
        try:
            with (
                socket.create_connection(listener.getsockname(), timeout=60) as plain,
                context(client, server=False).wrap_socket(plain, server_hostname=name) as secure,
            ):
                return secure.recv(5)
        finally:
            thread.join(60)


def _serve(listener: socket.socket, made: ssl.SSLContext) -> None:
    plain, _ = listener.accept()
    with plain:
        plain.settimeout(60)
        try:
            with made.wrap_socket(plain, server_side=True) as secure:
                secure.sendall(b"hello")
        except ssl.SSLError:
            pass  # the client sees it too, and that is what the test looks at


def side(store: Store, identity: Identity) -> Side:
    return Side.of(store.files(identity), store)


@pytest.mark.parametrize(
    ("server", "name"), [(REDIS, "redis.example.net"), (API, "192.0.2.7"), (API, API.dns), (REDIS, REDIS.dns)]
)
def test_a_worker_talks_to_each_server_under_its_names(live: Live, server: Identity, name: str) -> None:
    assert talk(side(live.store, server), side(live.store, WORKER), name, crl=live.store.ca_crl) == b"hello"


def test_a_server_is_refused_under_a_name_that_it_does_not_have(live: Live) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        talk(side(live.store, REDIS), side(live.store, WORKER), "evil.example.net")


def test_a_worker_cannot_pose_as_the_server(live: Live) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="unsuitable certificate purpose"):
        talk(side(live.store, WORKER), side(live.store, WORKER), WORKER.dns)


def test_a_server_cannot_pose_as_a_worker(live: Live) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        talk(side(live.store, REDIS), side(live.store, API), REDIS.dns)


def test_a_revoked_worker_is_refused_where_the_list_is_read(live: Live) -> None:
    revoked = Side(live.revoked_file, live.revoked_key, live.store.ca_certificate)
    assert talk(side(live.store, API), revoked, API.dns) == b"hello"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        talk(side(live.store, API), revoked, API.dns, crl=live.store.ca_crl)


def test_a_foreign_ca_is_refused_by_both_sides(live: Live, tmp_path: Path) -> None:
    foreign = kit.init_pki(tmp_path / "foreign", datetime.now(UTC))
    with pytest.raises(ssl.SSLCertVerificationError):
        talk(side(foreign, API), side(live.store, WORKER), API.dns)
    intruder = Side(foreign.files(WORKER).bundle, foreign.files(WORKER).key, live.store.ca_certificate)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        talk(side(live.store, API), intruder, API.dns)


def test_no_connection_fails_during_a_rollover_whichever_side_is_a_stage_behind(tmp_path: Path) -> None:
    """A machine gets its files at any time between two steps: old and new must talk to each other."""
    stages = [kit.init_pki(tmp_path / "0", datetime.now(UTC))]
    for number, act in enumerate((rollover.start, rollover.advance, rollover.advance, rollover.finish), start=1):
        store = kit.copy_of(stages[-1], tmp_path / str(number))
        with kit.open_session(store, datetime.now(UTC)) as session:
            act(session)
        stages.append(store)
    for before, after in pairwise(stages):
        for server, client in ((before, before), (before, after), (after, before), (after, after)):
            assert talk(side(server, API), side(client, WORKER), API.dns, crl=server.ca_crl) == b"hello"
