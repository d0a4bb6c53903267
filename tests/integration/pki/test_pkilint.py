"""pkilint, which knows RFC 5280 better than we do, finds nothing in what we make."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from pkilint.bin import lint_crl, lint_pkix_cert, lint_pkix_signer_signee_cert_chain  # type: ignore[import-untyped]

from pki import rollover
from pki.authority import pem
from pki.crl import read_crls
from pki.names import Identity
from pki.store import Store
from tests.integration.pki.conftest import IDENTITIES, Live
from tests.unit.pki import kit

Main = Callable[[list[str]], int]
STRICT = ("lint", "-s", "NOTICE")


def findings(main: Main, *words: str | Path) -> int:
    return main([*STRICT, *map(str, words)])


@pytest.mark.parametrize("identity", IDENTITIES, ids=str)
def test_every_certificate_is_clean(live: Live, identity: Identity) -> None:
    certificate = live.store.files(identity).certificate
    assert findings(lint_pkix_cert.main, certificate) == 0
    assert findings(lint_pkix_signer_signee_cert_chain.main, live.store.ca_certificate, certificate) == 0


def test_the_ca_is_clean(live: Live) -> None:
    assert findings(lint_pkix_cert.main, live.store.ca_certificate) == 0


def test_the_list_of_revoked_certificates_is_clean(live: Live) -> None:
    assert findings(lint_crl.main, "-t", "CRL", "-p", "PKIX", live.store.ca_crl) == 0


def test_a_rollover_makes_only_clean_certificates_and_lists(tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki")
    for act in (rollover.start, rollover.advance, rollover.advance):
        with kit.open_session(store) as session:
            act(session)
    for number, part in enumerate(parts(store)):
        path = tmp_path / f"{number}.pem"
        path.write_bytes(pem(part))
        crl = isinstance(part, x509.CertificateRevocationList)
        words = ("-t", "CRL", "-p", "PKIX") if crl else ()
        assert findings(lint_crl.main if crl else lint_pkix_cert.main, *words, path) == 0


def parts(store: Store) -> list[x509.Certificate | x509.CertificateRevocationList]:
    leaves = [kit.certificate_of(store, one) for one in store.identities()]
    return [*store.authorities(), *leaves, *read_crls(store.ca_crl)]


def test_pkilint_is_awake(live: Live, tmp_path: Path) -> None:
    forged = kit.Forgery(sans=[x509.DNSName("localhost")], aki=False).sign(kit.authority_of(live.store))
    path = tmp_path / "forged.pem"
    path.write_bytes(pem(forged))
    assert findings(lint_pkix_cert.main, path) > 0
