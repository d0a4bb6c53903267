"""What Redis does with client certificates of our CA that our PKI does not make: its OpenSSL accepts them.

A certificate opens nothing by itself, for each role has a password; and `bringup pki verify` names such a file.
"""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import create_connection
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from bringup import redis_acl
from pki.authority import key_pem, pem
from pki.check import Status
from pki.checks import pki
from pki.names import STANDARD, Identity, Role, parse_san
from pki.setup import Wanted
from pki.store import Store
from tests.conftest import RedisServer
from tests.unit.pki import kit

NOW = datetime.now(UTC)
WORKER = Identity(Role.WORKER, "worker")
MALFORMED: dict[str, dict[str, Any]] = {
    "no EKU": {"usages": []},
    "CA:TRUE": {"ca": True},
    "two purposes": {"usages": [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    here = (parse_san("127.0.0.1"),)
    wanted = [Wanted(one, here if one.role.is_server else ()) for one in STANDARD]
    return kit.init_pki(tmp_path_factory.mktemp("clients") / "pki", NOW, wanted=wanted)


@pytest.fixture(scope="module")
def redis_port(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Redis with TLS and the users of our roles, as `bringup redis-conf` has them."""
    folder, files = tmp_path_factory.mktemp("redis"), store.files(STANDARD[0])
    users = folder / "users.acl"
    users.write_text(redis_acl.acl_file({"worker": "the-password-of-workers"}))
    server = RedisServer(folder)
    server.start(
        *("--port", "0", "--tls-port", str(server.port), "--tls-auth-clients", "yes", "--requirepass", ""),
        *("--tls-cert-file", str(files.certificate), "--tls-key-file", str(files.key)),
        *("--tls-ca-cert-file", str(store.ca_certificate), "--aclfile", str(users)),
    )
    yield server.port
    server.kill()


def forged(store: Store, folder: Path, fault: dict[str, Any]) -> tuple[Path, Path]:
    start, end = NOW - timedelta(hours=1), NOW + timedelta(days=1)
    forgery = kit.Forgery(identity=WORKER, start=start, end=end, **fault)
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(pem(forgery.sign(kit.authority_of(store))))
    key.write_bytes(key_pem(forgery.key))
    return certificate, key


@pytest.mark.parametrize("fault", MALFORMED)
def test_redis_gives_a_malformed_certificate_nothing_without_a_password(
    redis_port: int, store: Store, tmp_path: Path, fault: str
) -> None:
    context = ssl.create_default_context(cafile=store.ca_certificate)
    context.load_cert_chain(*forged(store, tmp_path, MALFORMED[fault]))
    raw = create_connection(("127.0.0.1", redis_port), timeout=60)
    with context.wrap_socket(raw, server_hostname="127.0.0.1") as connection:
        for command in (b"GET rq:x", b"ACL LIST", b"AUTH default x", b"AUTH worker x"):
            connection.sendall(command + b"\r\n")
            assert connection.recv(4096).startswith((b"-NOAUTH", b"-WRONGPASS"))


@pytest.mark.parametrize("fault", MALFORMED)
def test_pki_verify_names_a_malformed_certificate(store: Store, tmp_path: Path, fault: str) -> None:
    copy = kit.copy_of(store, tmp_path / "pki")
    certificate, key = forged(store, tmp_path, MALFORMED[fault])
    copy.files(WORKER).certificate.write_bytes(certificate.read_bytes())
    copy.files(WORKER).key.write_bytes(key.read_bytes())
    failed = [one for one in pki.verify(copy, {}, NOW) if one.status is Status.FAIL]
    named = {"no EKU": "no extended key usage", "CA:TRUE": "CA:TRUE", "two purposes": "and nothing else"}[fault]
    assert any(named in one.message and "worker" in one.target for one in failed)
