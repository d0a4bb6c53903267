"""The list of revoked certificates as the API enforces it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.tls.conftest import Caller, Served


def lets_in(caller: Caller) -> bool:
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
    assert lets_in(caller)
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
    assert not lets_in(revoked)
    assert lets_in(strict.by("worker"))


def test_deleting_the_list_does_not_let_the_revoked_in_again(strict: Served, revoked: Caller) -> None:
    assert not lets_in(revoked)
    with without(strict.site.store.ca_crl):
        assert not lets_in(revoked)
        assert lets_in(strict.by("worker"))
    assert not lets_in(revoked)
