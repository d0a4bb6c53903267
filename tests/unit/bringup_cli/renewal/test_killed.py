"""A pass of a host that is killed anywhere leaves pairs that fit, and the next pass renews what is due."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from api.est.requests import certs_only
from bringup.settings import Settings
from bringup_cli.site import enroll
from bringup_cli.site.host_files import HostFolder
from bringup_cli.site.join import join
from pki.authority import Authority, fits, no_passphrase, read_key
from pki.names import identity_of, sans_of
from pki.store import Store
from tests.unit.bringup_cli.killing import Killed, failing_at
from tests.unit.bringup_cli.renewal.kit import LATER, enrolled
from tests.unit.bringup_cli.renewal.test_host import FakeApi, renew
from tests.unit.pki.kit import NOW


class SigningApi(FakeApi):
    """Signs at once, on no disk; and each pass is told that another CA signs now, so that everything is due."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.issuer = "ab"
        self.answer = self._sign
        self._authority = Authority.read(store.ca_key, no_passphrase, store.authorities(), store.ca_certificate)

    def _sign(self, request: x509.CertificateSigningRequest) -> bytes:
        sans = sans_of(request)
        identity = identity_of(request)
        assert identity
        others = tuple(san for san in sans if san.value != identity.dns)
        return certs_only(
            self._authority.certify(identity, others, request.public_key(), 30, LATER - timedelta(hours=1))
        )


@pytest.fixture
def host(store: Store, tmp_path: Path) -> HostFolder:
    registry = enrolled(store)
    w1 = registry.hosts["w1"]
    settings = Settings(redis_use_tls=True, api_use_tls=True, pki_dir=store.root)
    files = enroll.bundle_files(store, registry, settings, w1, with_keys=True)
    join(tmp_path / "w1", enroll.manifest_of(w1, NOW), files, NOW)
    return HostFolder.read(tmp_path / "w1")


def fit(host: HostFolder) -> bool:
    return all(fits(read_key(host.files(one).key), host.certificate(one)) for one in host.identities)


def check_killed_at(host: HostFolder, api: FakeApi, number: int) -> bool:
    """Whether the pass was still at work at this call."""
    with failing_at(number, Killed) as done, suppress(Killed):
        renew(host, api)
    host.recover()
    assert fit(host), f"killed after {len(done)} calls, the last {done[-1:]}"
    before = {one: host.certificate(one) for one in host.identities}
    after = renew(host, api)
    assert after.problems == []
    assert len(after.renewed) == len(before)
    assert fit(host)
    assert all(host.certificate(one).public_key() != certificate.public_key() for one, certificate in before.items())
    assert not list(host.folder.rglob("*.new"))
    return len(done) == number


def test_a_pass_that_was_killed_leaves_pairs_that_fit(host: HostFolder, store: Store) -> None:
    api = SigningApi(store)
    for number in (0, 5, 12, 19, 26, 33):
        assert check_killed_at(host, api, number)


@pytest.mark.slow
def test_a_pass_that_was_killed_before_any_of_its_calls_leaves_pairs_that_fit(host: HostFolder, store: Store) -> None:
    api, number = SigningApi(store), 0
    while check_killed_at(host, api, number):
        number += 1
    assert number > 30
