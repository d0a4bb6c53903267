"""An API host takes over the published revocation list: a newer one of a CA that it trusts, and no other."""

from pathlib import Path
from typing import cast

import pytest

from api.est.trust import CrlWriter
from api.state.enrollments import TrustStore
from bringup.errors import RedisUnavailable
from bringup.settings import Settings
from pki.authority import Authority, pem
from pki.files import read
from tests.unit.pki.kit import NOW, init_pki, open_session


class Published:
    """What the CA's host has posted."""

    def __init__(self) -> None:
        self.lists: bytes | Exception | None = None

    def crl(self) -> bytes | None:
        if isinstance(self.lists, Exception):
            raise self.lists
        return self.lists


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
def api_crl(tmp_path: Path) -> Path:
    """The list of an API host, and a newer one at the CA."""
    store = init_pki(tmp_path / "pki")
    (tmp_path / "crl.pem").write_bytes(read(store.ca_crl))
    with open_session(store, NOW) as session:
        session.publish_crl()
        session.commit()
    return tmp_path / "crl.pem"


@pytest.fixture
def writer(published: Published, api_crl: Path) -> CrlWriter:
    settings = Settings(api_tls_ca=api_crl.parent / "pki/ca/ca-cert.pem", api_tls_crl=api_crl)
    return CrlWriter(cast("TrustStore", published), settings)


def test_a_newer_list_is_taken_over(writer: CrlWriter, published: Published, api_crl: Path) -> None:
    writer.look()
    old = api_crl.read_bytes()
    published.lists = read(api_crl.parent / "pki/ca/ca-crl.pem")
    writer.look()
    assert api_crl.read_bytes() == published.lists != old
    published.lists = old
    writer.look()
    assert api_crl.read_bytes() != old


def test_a_list_of_another_ca_or_none_is_not(writer: CrlWriter, published: Published, api_crl: Path) -> None:
    old = api_crl.read_bytes()
    with open_session(init_pki(api_crl.parent / "foreign"), NOW) as session:
        published.lists = pem(Authority.new(30, NOW).crl(session.ledger, 7, NOW))
    for lists in (published.lists, b"", b"-----END X509 CRL-----", RedisUnavailable("away")):
        published.lists = lists
        writer.look()
        assert api_crl.read_bytes() == old


def test_the_list_of_a_ca_that_is_trusted_later_is_taken_over_then(
    writer: CrlWriter, published: Published, api_crl: Path
) -> None:
    anchors, other = api_crl.parent / "pki/ca/ca-cert.pem", Authority.new(30, NOW)
    with open_session(init_pki(api_crl.parent / "rollover"), NOW) as session:
        lists = pem(other.crl(session.ledger, 7, NOW))
    published.lists = read(api_crl.parent / "pki/ca/ca-crl.pem") + lists
    writer.look()
    assert api_crl.read_bytes().count(b"BEGIN X509 CRL") == 1
    anchors.write_bytes(anchors.read_bytes() + pem(other.certificate))
    writer.look()
    assert api_crl.read_bytes().count(b"BEGIN X509 CRL") == 2
