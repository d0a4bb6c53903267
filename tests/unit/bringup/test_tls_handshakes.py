"""What a handshake with a server of ours takes, and what the server remembers of the certificate that it was shown."""

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from bringup import certificates, tls
from bringup.peer_role import ServerRole
from bringup.serving.tls_connections import PeerTrust
from pki.crl import revoke
from pki.names import STANDARD
from pki.store import Store
from tests.conftest import MakeSettings
from tests.unit.pki import kit

NOW = datetime.now(UTC)
REDIS, WORKER, API = STANDARD


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return kit.init_pki(tmp_path_factory.mktemp("handshakes") / "pki", NOW)


class Handshake:
    """Both sides, in memory: the client speaks first, and each answers all that it was sent."""

    def __init__(self, server: ssl.SSLContext, client: ssl.SSLContext) -> None:
        self.to_client, self.to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(self.to_client, self.to_server, server_hostname="192.0.2.7")
        self.server = server.wrap_bio(self.to_server, self.to_client, server_side=True)
        self.flights_of_client = 0
        while not self.client.version():
            self.flights_of_client += 1
            with suppress(ssl.SSLWantReadError):
                self.client.do_handshake()
            with suppress(ssl.SSLWantReadError):
                self.server.do_handshake()


def server_of(make_settings: MakeSettings, store: Store) -> ssl.SSLContext:
    return tls.ServerContexts(make_settings(api_use_tls="true", pki_dir=store.root)).get()


def client_of(store: Store, *, has_certificate: bool) -> ssl.SSLContext:
    own = store.files(WORKER)
    contexts = tls.ClientContexts(has_certificate=has_certificate)
    return contexts.get(ServerRole.API, store.ca_certificate, own.certificate, own.key)


def test_a_handshake_takes_one_round_trip(make_settings: MakeSettings, store: Store) -> None:
    """The server accepts the key share that OpenSSL sends first, and so asks for no other (RFC 8446 s.4.1.4)."""
    done = Handshake(server_of(make_settings, store), client_of(store, has_certificate=True))
    assert done.client.version() == "TLSv1.3"
    assert done.flights_of_client == 2


def test_a_client_may_resume_one_session_of_a_connection(make_settings: MakeSettings, store: Store) -> None:
    assert server_of(make_settings, store).num_tickets == 1


@pytest.mark.parametrize("has_certificate", [True, False])
def test_a_client_shows_its_certificate_where_it_has_one(
    make_settings: MakeSettings, store: Store, *, has_certificate: bool
) -> None:
    done = Handshake(server_of(make_settings, store), client_of(store, has_certificate=has_certificate))
    shown = done.server.getpeercert(binary_form=True)
    own = kit.certificate_of(store, WORKER)
    assert (shown and x509.load_der_x509_certificate(shown)) == (own if has_certificate else None)


def test_a_client_without_a_certificate_trusts_our_ca_alone(store: Store) -> None:
    context = client_of(store, has_certificate=False)
    assert len(context.get_ca_certs()) == 1
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


def der(store: Store, **fault: Any) -> bytes:
    made = kit.Forgery(identity=WORKER, start=NOW - timedelta(hours=1), end=NOW + timedelta(days=1), **fault)
    return made.sign(kit.authority_of(store)).public_bytes(Encoding.DER)


def defect(certificate: bytes) -> str | None:
    return certificates.defect_of(certificate, ExtendedKeyUsageOID.CLIENT_AUTH)


def test_what_is_remembered_of_one_certificate_is_taken_for_no_other(store: Store) -> None:
    good, malformed = der(store), der(store, ca=True)
    for _ in range(2):
        assert defect(good) is None
        assert defect(malformed) == "it is a CA (CA:TRUE)"
    assert certificates.defect_of(good, ExtendedKeyUsageOID.SERVER_AUTH) is not None


def test_the_names_of_a_certificate_are_its_own(store: Store) -> None:
    for name in ("a.operator.bringup.internal", "b.operator.bringup.internal") * 2:
        assert certificates.dns_names_of(der(store, sans=[x509.DNSName(name)])) == (name,)


def test_a_certificate_whose_names_cannot_be_read_names_nobody(store: Store) -> None:
    unreadable = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\xff")
    assert certificates.dns_names_of(der(store, sans=[], extra=[unreadable])) == ()
    assert certificates.dns_names_of(der(store, sans=[])) == ()
    assert certificates.dns_names_of(b"no certificate") == ()


def test_a_client_that_was_accepted_by_earlier_files_is_judged_by_the_present_ones(
    store: Store, tmp_path: Path
) -> None:
    client, (before, now) = kit.certificate_of(store, WORKER), (object(), object())
    context = Mock(return_value=before)
    copy = kit.copy_of(store, tmp_path / "pki")
    trust = PeerTrust(copy.ca_certificate, copy.ca_crl, context)
    with kit.open_session(copy, NOW) as session:
        revoke(session, "worker", "superseded")
    context.return_value = now
    assert trust.refused(set()) == {}  # the client's handshake is under way
    assert trust.refused({client}) == {}, "nothing has changed since"
    trust.accepted_by(now)
    assert trust.refused({client}) == {}, "it was accepted by the present files"
    trust.accepted_by(before)
    assert trust.refused({client}) == {client: "it is revoked"}


def test_a_server_sends_one_session_ticket(make_settings: MakeSettings, store: Store) -> None:
    """Each holds the client's certificate, and is a sixth of a handshake with one (RFC 8446 s.4.6.1)."""
    server = server_of(make_settings, store)
    sent = []
    for tickets in (server.num_tickets, 1, 2):
        server.num_tickets = tickets
        sent.append(server_bytes_of(server, client_of(store, has_certificate=True)))
    assert abs(sent[0] - sent[1]) < (sent[2] - sent[1]) / 2


def server_bytes_of(server: ssl.SSLContext, client: ssl.SSLContext) -> int:
    """What the server has sent behind the handshake."""
    done = Handshake(server, client)
    with suppress(ssl.SSLWantReadError):
        done.server.do_handshake()
    return done.to_client.pending
