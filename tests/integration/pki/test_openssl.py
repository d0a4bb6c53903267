"""The openssl program, as strict as it can be, takes what we make and refuses what it must."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pki.names import Identity, Role
from pki.store import Store
from tests.integration.pki.conftest import IDENTITIES, Live


def openssl(*words: str | Path) -> subprocess.CompletedProcess[str]:
    assert shutil.which("openssl"), "openssl is not installed; run scripts/setup"
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)


def verify(store: Store, certificate: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return openssl("verify", "-x509_strict", "-CAfile", store.ca_certificate, *words, certificate)


def purpose_of(identity: Identity) -> str:
    return "sslserver" if identity.role in {Role.REDIS, Role.API} else "sslclient"


@pytest.mark.parametrize("identity", IDENTITIES, ids=str)
def test_every_certificate_is_accepted_for_its_purpose_and_name(live: Live, identity: Identity) -> None:
    words = ("-purpose", purpose_of(identity), "-verify_hostname", identity.dns)
    done = verify(live.store, live.store.files(identity).certificate, *words)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("identity", IDENTITIES, ids=str)
def test_no_certificate_is_accepted_for_the_other_purpose(live: Live, identity: Identity) -> None:
    other = "sslclient" if purpose_of(identity) == "sslserver" else "sslserver"
    done = verify(live.store, live.store.files(identity).certificate, "-purpose", other)
    assert "unsuitable certificate purpose" in done.stderr


def test_servers_are_accepted_under_their_host_and_address_and_no_other(live: Live) -> None:
    redis, api = (live.store.files(one).certificate for one in (IDENTITIES[0], IDENTITIES[2]))
    assert verify(live.store, redis, "-verify_hostname", "redis.example.net").returncode == 0
    assert verify(live.store, api, "-verify_ip", "192.0.2.7").returncode == 0
    assert "hostname mismatch" in verify(live.store, redis, "-verify_hostname", "evil.example.net").stderr
    assert "IP address mismatch" in verify(live.store, api, "-verify_ip", "192.0.2.8").stderr


def test_the_bundle_is_a_chain(live: Live) -> None:
    bundle = live.store.files(IDENTITIES[0]).bundle
    assert verify(live.store, bundle, "-untrusted", bundle, "-show_chain").returncode == 0


def test_the_ca_itself_is_accepted_strictly(live: Live) -> None:
    assert verify(live.store, live.store.ca_certificate, "-check_ss_sig").returncode == 0


@pytest.mark.parametrize("identity", IDENTITIES, ids=str)
def test_the_list_of_revoked_certificates_lets_the_others_pass(live: Live, identity: Identity) -> None:
    words = ("-crl_check", "-CRLfile", live.store.ca_crl)
    done = verify(live.store, live.store.files(identity).certificate, *words)
    assert done.returncode == 0, done.stderr


def test_the_list_of_revoked_certificates_stops_the_revoked_one(live: Live) -> None:
    assert verify(live.store, live.revoked_file).returncode == 0
    done = verify(live.store, live.revoked_file, "-crl_check", "-CRLfile", live.store.ca_crl)
    assert "certificate revoked" in done.stderr


def test_keys_fit_their_certificates(live: Live) -> None:
    for identity in IDENTITIES:
        files = live.store.files(identity)
        of_key = openssl("pkey", "-in", files.key, "-pubout").stdout
        assert of_key
        assert of_key == openssl("x509", "-in", files.certificate, "-noout", "-pubkey").stdout
