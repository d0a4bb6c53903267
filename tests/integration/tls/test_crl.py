"""The list of revoked certificates as the API enforces it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.crl import CrlLife
from bringup.errors import ApiUnavailable
from bringup.wire.message import Health
from pki.profile import Validity
from pki.session import CaSession
from pki.store import Store
from tests.integration.tls.conftest import Caller, Served


def accepts(caller: Caller) -> bool:
    """Whether the API answers this caller."""
    try:
        return caller.call("GET", "/health")[0] == 200
    except OSError:
        return False


@pytest.fixture
def revoked(strict: Served, tmp_path: Path) -> Caller:
    """A worker whose certificate was revoked; it has kept a copy."""
    stack, store = strict.site.stack, strict.site.store
    name = f"lost-{tmp_path.name[-12:]}".replace("_", "-")
    stack.command("pki", "issue", "worker", "--name", name)
    cert, key = (
        Path(shutil.copy(store.root / f"issued/worker/{name}-{part}.pem", tmp_path)) for part in ("cert", "key")
    )
    caller = Caller(store.ca_certificate, strict.port, strict.by("worker").token, cert, key)
    assert accepts(caller)
    stack.command("pki", "revoke", name)
    return caller


@contextmanager
def without(path: Path) -> Iterator[None]:
    """A file is gone for a while."""
    kept = path.rename(path.with_suffix(".away"))
    try:
        yield
    finally:
        kept.rename(path)


def test_a_revoked_certificate_is_refused_with_the_next_connection(strict: Served, revoked: Caller) -> None:
    assert not accepts(revoked)
    assert accepts(strict.by("worker"))


def test_deleting_the_list_does_not_let_the_revoked_in_again(strict: Served, revoked: Caller) -> None:
    assert not accepts(revoked)
    with without(strict.site.store.ca_crl):
        assert not accepts(revoked)
        assert accepts(strict.by("worker"))
    assert not accepts(revoked)


@contextmanager
def ending_in(store: Store, left: timedelta) -> Iterator[None]:
    """The list on the disk was made an hour ago, for an hour and ``left``."""
    ago = timedelta(hours=1)
    kept = store.ca_crl.read_bytes()
    crl_days = (ago + left) / timedelta(days=1)
    with CaSession.open(store, "a test", datetime.now(UTC) - ago, validity=Validity(crl_days=crl_days)) as session:
        session.publish_crl()
        session.commit()
    try:
        yield
    finally:
        store.ca_crl.with_suffix(".new").write_bytes(kept)
        store.ca_crl.with_suffix(".new").replace(store.ca_crl)


def test_an_expired_list_is_named_by_the_api_by_its_clients_and_by_the_self_test(strict: Served) -> None:
    site = strict.site
    with ending_in(site.store, -timedelta(minutes=1)):
        for _ in range(3):
            with pytest.raises(ApiUnavailable, match=r"CRL\) has expired.*bringup pki renew") as refused:
                ApiClient(site.settings, tls.ClientContexts()).get("/health", Health)
        found = site.tested()
    assert "our certificate" not in str(refused.value)
    assert "list of revoked certificates (CRL): expired" in found["5a"].message
    assert "list of revoked certificates (CRL) has expired" in found["3b"].message
    assert found["3b"].hint == "bringup pki crl"
    assert accepts(strict.by("worker")), "a new list is in force at once"
    lines = [line for line in site.stack.log_of("api").splitlines() if "(CRL) has expired" in line]
    assert len(lines) == 1
    assert "every client certificate is refused" in lines[0]
    assert "bringup pki renew" in lines[0]
    assert str(site.store.ca_crl) in lines[0]


def test_a_list_that_ends_soon_is_announced_while_every_client_is_still_accepted(strict: Served) -> None:
    with ending_in(strict.site.store, timedelta(hours=1)):
        assert accepts(strict.by("worker"))
        assert accepts(strict.by("worker"))
        found = strict.site.tested()
    lines = [line for line in strict.site.stack.log_of("api").splitlines() if "(CRL) ends soon" in line]
    assert len(lines) == 1
    assert "bringup pki renew" in lines[0]
    assert "list of revoked certificates (CRL): 0 days left" in found["5a"].message


def test_a_list_is_made_for_crl_days(strict: Served) -> None:
    strict.site.stack.command("pki", "crl")
    before = CrlLife.read(strict.site.store.ca_crl)
    assert before.end - datetime.now(UTC) < timedelta(days=7)
    assert before.end - datetime.now(UTC) > timedelta(days=7) - timedelta(hours=1)
