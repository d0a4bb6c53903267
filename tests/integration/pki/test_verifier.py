"""cryptography's verifier, which holds to the rules of the public web, takes what we make."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.x509 import verification

from pki.names import Identity
from tests.integration.pki.conftest import IDENTITIES, Live
from tests.unit.pki import kit

SERVERS = [one for one in IDENTITIES if one.role.is_server]
CLIENTS = [one for one in IDENTITIES if not one.role.is_server]


def policy(live: Live) -> verification.PolicyBuilder:
    store = verification.Store(list(live.store.authorities()))
    return verification.PolicyBuilder().store(store).time(datetime.now(UTC)).max_chain_depth(0)


@pytest.mark.parametrize("identity", SERVERS, ids=str)
def test_servers_are_verified_under_each_of_their_names(live: Live, identity: Identity) -> None:
    certificate = kit.certificate_of(live.store, identity)
    for san in certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value:
        assert isinstance(san, (x509.DNSName, x509.IPAddress))
        assert len(policy(live).build_server_verifier(san).verify(certificate, [])) == 2


@pytest.mark.parametrize("identity", CLIENTS, ids=str)
def test_clients_are_verified_and_say_who_they_are(live: Live, identity: Identity) -> None:
    verified = policy(live).build_client_verifier().verify(kit.certificate_of(live.store, identity), [])
    assert verified.subjects == [x509.DNSName(identity.dns)]


@pytest.mark.parametrize("identity", SERVERS, ids=str)
def test_a_server_is_no_client(live: Live, identity: Identity) -> None:
    with pytest.raises(verification.VerificationError):
        policy(live).build_client_verifier().verify(kit.certificate_of(live.store, identity), [])


@pytest.mark.parametrize("identity", CLIENTS, ids=str)
def test_a_client_is_no_server(live: Live, identity: Identity) -> None:
    verifier = policy(live).build_server_verifier(x509.DNSName(identity.dns))
    with pytest.raises(verification.VerificationError):
        verifier.verify(kit.certificate_of(live.store, identity), [])
