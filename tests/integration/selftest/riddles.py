"""Faults that once read as something else, or as nothing that helps: each has its own words, cause and way out."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from pki.authority import read_key
from tests.integration.selftest.bad import Mint
from tests.integration.selftest.faults import fault, here, redis_set, worker_with
from tests.integration.selftest.site import Changes, Site

_PASSPHRASE = "a-passphrase-of-the-test"


@contextmanager
def a_read_only_replica(site: Site) -> Iterator[Changes]:
    """The master that it follows does not answer."""
    site.keeper.execute_command("REPLICAOF", "127.0.0.1", "1")  # type: ignore[no-untyped-call]
    try:
        yield {}
    finally:
        site.keeper.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]


@contextmanager
def redis_where_the_api_is(site: Site) -> Iterator[Changes]:
    yield {"redis_port": site.settings.callback_api_port}


@contextmanager
def the_api_where_redis_is(site: Site) -> Iterator[Changes]:
    yield {"callback_api_port": site.settings.redis_port}


@contextmanager
def an_encrypted_key(site: Site) -> Iterator[Changes]:
    """As `openssl req` makes it by default."""
    path = site.folder / "encrypted-key.pem"
    key = serialization.load_pem_private_key((site.store.root / "workers/worker-key.pem").read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(_PASSPHRASE.encode())
    form = serialization.PrivateFormat.PKCS8
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encryption))
    yield {"redis_tls_key": path}


def opened_by(hint: str, site: Site) -> None:
    """Carry out the hint as a person does, who types the passphrase."""
    subprocess.run(
        ["/bin/sh", "-c", hint],
        cwd=site.folder,
        input=f"{_PASSPHRASE}\n",
        text=True,
        check=True,
        start_new_session=True,
        timeout=120,
    )


@contextmanager
def a_stale_list(site: Site) -> Iterator[Changes]:
    """It was not renewed, nor carried to the API."""
    now, ca = datetime.now(UTC), site.store.authorities()[0]
    ski = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.subject)
        .last_update(now - timedelta(days=8))
        .next_update(now - timedelta(days=1))
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), critical=False)
        .sign(read_key(site.store.ca_key), hashes.SHA256())
    )
    with site.files({"ca/ca-crl.pem": made.public_bytes(serialization.Encoding.PEM)}):
        yield {}


FULL = redis_set(maxmemory="1")
CBC_ALONE = redis_set(tls_protocols="TLSv1.2", tls_ciphers="ECDHE-ECDSA-AES128-SHA256")
NO_SUCH_NAME = "no-such-host.invalid"
WITH_TLS = (
    fault(
        "Redis is full", FULL, {"2b"}, "2b", "refuses writes (OOM)", "nothing is wrong with the connection", "maxmemory"
    ),
    fault("Redis is a replica", a_read_only_replica, {"2b"}, "2b", "refuses writes (READONLY)", "REDIS_HOST"),
    fault(
        "REDIS_PORT is the API's",
        redis_where_the_api_is,
        {"1a"},
        "1a",
        "it is of role api",
        "another server of our CA answers there",
        "REDIS_PORT",
    ),
    fault(
        "CALLBACK_API_PORT is that of Redis",
        the_api_where_redis_is,
        {"3b"},
        "3b",
        "it is of role redis",
        "CALLBACK_API_URL",
    ),
    fault("Redis speaks TLS 1.2 with CBC alone", CBC_ALONE, {"1a"}, "1a", "none of our ciphers", "CBC", "tls-ciphers"),
    fault("our key is encrypted", an_encrypted_key, {"1a"}, "1a", "is encrypted", "passphrase", "openssl pkey"),
    fault("no such name of Redis", here(redis_host=NO_SUCH_NAME), {"1a"}, "1a", "cannot be resolved", "in .env set"),
    fault(
        "no such name of the API",
        here(callback_api_host=NO_SUCH_NAME),
        {"3b"},
        "3b",
        "cannot be resolved",
        "in .env set",
    ),
    fault("a stale list", a_stale_list, {"5a"}, "5a", "ca: list of revoked certificates (CRL): expired", "pki crl"),
    fault("six hours left", worker_with(Mint.on_its_last_day), {"5a"}, "5a", "only 5 hours left", "pki renew"),
)
WITHOUT_TLS = (
    fault("Redis is full", FULL, {"2a"}, "2a", "refuses writes (OOM)", "maxmemory"),
    fault("Redis is a replica", a_read_only_replica, {"2a"}, "2a", "refuses writes (READONLY)", "REDIS_HOST"),
    fault("REDIS_PORT is the API's", redis_where_the_api_is, {"1a"}, "1a", "server of HTTP", "the port of the API"),
    fault("CALLBACK_API_PORT is that of Redis", the_api_where_redis_is, {"3a"}, "3a", "Redis answers there", "in .env"),
    fault("no such name of Redis", here(redis_host=NO_SUCH_NAME), {"1a"}, "1a", "cannot be resolved"),
)
