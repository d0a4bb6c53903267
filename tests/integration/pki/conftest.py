"""A PKI that is valid now, with an identity of every role and one that was revoked."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from pki.crl import revoke
from pki.issue import issue
from pki.names import STANDARD, Identity, Role
from pki.store import Store
from tests.unit.pki import kit

GONE = Identity(Role.WORKER, "gone")
IDENTITIES = (*STANDARD, Identity(Role.OPERATOR, "alice"), Identity(Role.RUN, "iso"), Identity(Role.WORKER, "w2"))


@dataclass(frozen=True)
class Live:
    """A PKI with real dates."""

    store: Store
    revoked: x509.Certificate
    revoked_file: Path
    revoked_key: Path


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Live:
    """A PKI made now, for tools that look at the clock."""
    folder = tmp_path_factory.mktemp("live")
    now = datetime.now(UTC)
    store = kit.init_pki(folder / "pki", now)
    for identity in (*IDENTITIES[3:], GONE):
        with kit.open_session(store, now) as session:
            issue(session, identity)
    gone = kit.certificate_of(store, GONE)
    for suffix in ("cert", "key"):
        data = (store.root / "issued" / "worker" / f"gone-{suffix}.pem").read_bytes()
        (folder / f"gone-{suffix}.pem").write_bytes(data)
    with kit.open_session(store, now) as session:
        revoke(session, "gone", "key-compromise")
    return Live(store, gone, folder / "gone-cert.pem", folder / "gone-key.pem")
