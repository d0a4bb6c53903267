"""What each host gets: its own files and secrets, nothing of another role; and what is refused of a file."""

import io
import tarfile
from pathlib import Path

import pytest
from cryptography import x509

from bringup_cli.site import bundle
from bringup_cli.site.registry import Host, HostRole, Registry
from pki import authority, profile
from pki.errors import InvalidInput, Refused
from pki.names import Identity, Role
from pki.session import CaSession
from pki.setup import start_over
from tests.conftest import TOKEN
from tests.unit.bringup_cli.site.conftest import NOW, Enrolling

COMMON = {"pki/ca/ca-cert.pem", "pki/ca/ca-crl.pem", "pki/issued/host/h1-cert.pem", "pki/issued/host/h1-key.pem"}
OF_ROLE = {
    HostRole.REDIS: {
        "redis.env",
        "redis/users.acl",
        "redis/keeper.password",
        "pki/redis/redis-cert.pem",
        "pki/redis/redis-key.pem",
        "pki/redis/redis-bundle.pem",
    },
    HostRole.API: {"api.env", "pki/api/api-cert.pem", "pki/api/api-key.pem", "pki/api/api-bundle.pem"},
    HostRole.IMAGES: {
        "images.env",
        "pki/issued/images/h1-cert.pem",
        "pki/issued/images/h1-key.pem",
        "pki/issued/images/h1-bundle.pem",
    },
    HostRole.WORKER: {"worker.env", "pki/workers/worker-cert.pem", "pki/workers/worker-key.pem"},
    HostRole.TAILER: {"tailer.env", "pki/issued/tailer/h1-cert.pem", "pki/issued/tailer/h1-key.pem"},
    HostRole.CONSOLE: {
        "console.env",
        "pki/issued/console/h1-cert.pem",
        "pki/issued/console/h1-key.pem",
        "pki/issued/web/h1-cert.pem",
        "pki/issued/web/h1-key.pem",
        "pki/issued/web/h1-bundle.pem",
    },
}
# A file of age whose key takes 2^10 steps of scrypt: those that `seal` makes take a second for each look, as they must.
SEALED = (Path(__file__).parents[3] / "data/site/sealed.age").read_bytes()
WITH_TOKEN = {HostRole.API, HostRole.WORKER, HostRole.CONSOLE}


@pytest.fixture
def everyone(ca: Enrolling) -> dict[HostRole, Host]:
    """One host of every other role is there, so that a secret of it could be found."""
    return {role: ca.host(f"other-{role}", role) for role in HostRole}


@pytest.mark.parametrize("role", HostRole)
def test_a_host_gets_the_files_of_its_role_and_no_other(ca: Enrolling, role: HostRole) -> None:
    files = ca.files(ca.host("h1", role))
    assert files.keys() == COMMON | OF_ROLE[role]


@pytest.mark.parametrize("role", HostRole)
def test_no_secret_of_another_host_or_role_is_inside(
    ca: Enrolling, everyone: dict[HostRole, Host], role: HostRole
) -> None:
    files = ca.files(ca.host("h1", role))
    text = b"\n".join(files.values()).decode()
    foreign = [password for host in everyone.values() for password in host.passwords.values()]
    foreign += [ca.store.files(one).key.read_text() for host in everyone.values() for one in host.identities]
    foreign += [ca.store.ca_key.read_text(), *([] if role in WITH_TOKEN else [TOKEN])]
    foreign += [] if role is HostRole.REDIS else [Registry.read(ca.store).keeper]
    assert [secret for secret in foreign if secret in text] == []
    assert (TOKEN in text) is (role in WITH_TOKEN)


def test_settings_are_those_that_the_service_uses(ca: Enrolling) -> None:
    worker = ca.files(ca.host("w1", HostRole.WORKER))["worker.env"].decode()
    tailer = ca.files(ca.host("t1", HostRole.TAILER))["tailer.env"].decode()
    assert "BMC_TRIES=7\n" in worker
    assert "REDIS_USERNAME=worker-w1\n" in worker
    assert "DHCP_SOURCE" not in worker
    assert "DHCP_SOURCE=isc-log\n" in tailer
    assert "DHCP_PATH=/var/log/dnsmasq.log\n" in tailer
    assert "DHCP_PATH" not in worker
    assert "REDIS_USERNAME=tailer-t1\n" in tailer
    assert "BMC_TRIES" not in tailer


def test_each_of_several_api_hosts_listens_on_its_own_address_and_every_host_knows_all(ca: Enrolling) -> None:
    urls = "https://192.0.2.1:5000,https://192.0.2.2:5000"
    ca.settings = ca.settings.model_copy(update={"callback_api_url": urls})
    api = ca.files(ca.host("a2", HostRole.API, sans=("192.0.2.2",)))["api.env"].decode()
    worker = ca.files(ca.host("w1", HostRole.WORKER))["worker.env"].decode()
    assert "CALLBACK_API_HOST=192.0.2.2\n" in api
    assert f"CALLBACK_API_URL={urls}\n" in api
    assert f"CALLBACK_API_URL={urls}\n" in worker


def test_a_host_that_is_enrolled_again_keeps_passwords_and_certificates(ca: Enrolling) -> None:
    first = ca.files(ca.host("w1", HostRole.WORKER))
    assert ca.files(ca.host("w1", HostRole.WORKER)) == first


def test_a_host_may_get_one_more_role(ca: Enrolling) -> None:
    first = ca.host("h1", HostRole.WORKER)
    both = ca.host("h1", HostRole.TAILER)
    assert both.roles == (HostRole.WORKER, HostRole.TAILER)
    assert both.passwords[HostRole.WORKER] == first.passwords[HostRole.WORKER]
    assert both.passwords[HostRole.TAILER] != first.passwords[HostRole.WORKER]


def test_the_users_of_redis_are_there_as_hashes(ca: Enrolling, everyone: dict[HostRole, Host]) -> None:
    users = ca.files(everyone[HostRole.REDIS])["redis/users.acl"].decode().splitlines()
    assert {line.split()[1] for line in users} == {
        "default",
        "keeper",
        *(f"{role}-other-{role}" for role in HostRole if role is not HostRole.REDIS),
    }


@pytest.mark.parametrize("name", ["../w1", "w1/..", "W1", "", "a" * 64, "w 1", "w1\n", "-w", ".", "w1.site"])
def test_a_host_has_a_name_that_cannot_lead_out_of_a_folder(ca: Enrolling, name: str) -> None:
    with pytest.raises(InvalidInput):
        ca.host(name, HostRole.WORKER)


def test_a_server_needs_a_name(ca: Enrolling) -> None:
    host = ca.host("w1", HostRole.WORKER)
    with pytest.raises(Refused, match="no role"):
        ca.host("w2")
    assert host.sans == ()


def test_what_was_packed_is_unpacked(ca: Enrolling) -> None:
    host = ca.host("w1", HostRole.WORKER)
    manifest, files = bundle.unpack(ca.bundle(host))
    assert (manifest.host, manifest.roles) == ("w1", (HostRole.WORKER,))
    assert files == ca.files(host)


def _with(data: bytes, *members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    """The tar with more members."""
    buffer = io.BytesIO(data)
    with tarfile.open(fileobj=buffer, mode="a") as tar:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/cron.d/evil", "pki/ca/ca-key.pem", "api.env", "pki/../../evil", "worker.env/x"]
)
def test_a_name_that_such_a_host_does_not_get_is_refused(ca: Enrolling, name: str) -> None:
    data = ca.bundle(ca.host("w1", HostRole.WORKER))
    with pytest.raises(bundle.BundleRefused, match="does not get"):
        bundle.unpack(_with(data, tarfile.TarInfo(name), content=b"x"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_what_is_no_plain_file_is_refused(ca: Enrolling, kind: bytes) -> None:
    member = tarfile.TarInfo("pki/workers/worker-bundle.pem")
    member.type, member.linkname = kind, "/etc/passwd"
    with pytest.raises(bundle.BundleRefused, match="no plain file"):
        bundle.unpack(_with(ca.bundle(ca.host("w1", HostRole.WORKER)), member))


def test_a_file_that_is_there_twice_is_refused(ca: Enrolling) -> None:
    data = ca.bundle(ca.host("w1", HostRole.WORKER))
    with pytest.raises(bundle.BundleRefused, match="twice"):
        bundle.unpack(_with(data, tarfile.TarInfo("worker.env"), content=b"REDIS_HOST=evil\n"))


def test_a_file_that_was_altered_is_refused(ca: Enrolling) -> None:
    data = ca.bundle(ca.host("w1", HostRole.WORKER))
    with pytest.raises(bundle.BundleRefused, match="altered"):
        bundle.unpack(data.replace(b"HOST_ROLES=worker", b"HOST_ROLES=wirker"))


@pytest.mark.parametrize("data", [b"", b"no tar at all", b"\0" * 10240])
def test_what_is_no_bundle_is_refused(data: bytes) -> None:
    with pytest.raises(bundle.BundleRefused, match="no file of `bringup site enroll`"):
        bundle.unpack(data)


def test_a_truncated_bundle_is_refused(ca: Enrolling) -> None:
    data = ca.bundle(ca.host("w1", HostRole.WORKER))
    for length in range(0, len(data) - 10240, 997):
        with pytest.raises(bundle.BundleRefused):
            bundle.unpack(data[:length])


def test_only_the_passphrase_opens_a_sealed_file() -> None:
    assert bundle.unseal(SEALED, "the right passphrase") == b"contents"
    for damaged, passphrase in ((SEALED, "a wrong passphrase"), (SEALED[:-1], "the right passphrase")):
        with pytest.raises(bundle.BundleRefused, match="passphrase is wrong, or the file is damaged"):
            bundle.unseal(damaged, passphrase)


def test_a_file_that_is_too_large_is_refused_before_it_is_opened() -> None:
    with pytest.raises(bundle.BundleRefused, match="larger than 1 MiB"):
        bundle.unseal(SEALED + bytes(bundle.LARGEST), "the right passphrase")


def test_a_file_that_would_become_larger_than_the_bundle_is_refused(ca: Enrolling) -> None:
    name = "pki/workers/worker-bundle.pem"
    member = tarfile.TarInfo(name)
    sparse = {"major": "1", "minor": "0", "name": name, "realsize": str(64 << 20)}  # GNU tar's, of 64 MiB
    member.pax_headers = {f"GNU.sparse.{key}": value for key, value in sparse.items()}
    data = _with(ca.bundle(ca.host("w1", HostRole.WORKER)), member, content=b"1\n0\n0\n".ljust(512, b"\0"))
    with pytest.raises(bundle.BundleRefused, match="no plain file"):
        bundle.unpack(data)


@pytest.mark.parametrize(
    "headers",
    [
        {"GNU.sparse.size": "x"},
        {"GNU.sparse.map": "x"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
        {"size": "9" * 400},
        {"mtime": "nan"},
    ],
)
def test_headers_that_no_tar_of_ours_has_are_refused(ca: Enrolling, headers: dict[str, str]) -> None:
    member = tarfile.TarInfo("pki/workers/worker-bundle.pem")
    member.pax_headers = headers
    with pytest.raises(bundle.BundleRefused):
        bundle.unpack(_with(ca.bundle(ca.host("w1", HostRole.WORKER)), member, content=b"x" * 512))


def test_a_chain_of_a_thousand_headers_is_refused() -> None:
    member = tarfile.TarInfo("x")
    member.pax_headers = {"comment": "x"}
    header = member.tobuf(tarfile.PAX_FORMAT)
    with pytest.raises(bundle.BundleRefused, match="no file of `bringup site enroll`"):
        bundle.unpack(header[:1024] * 1000 + header[1024:])


def test_what_is_no_longer_usable_is_made_anew_when_a_host_is_enrolled_again(ca: Enrolling) -> None:
    def certificate(host: Host) -> bytes:
        return ca.files(host)["pki/api/api-cert.pem"]

    first = certificate(ca.host("a1", HostRole.API))
    assert certificate(ca.host("a1", HostRole.API)) == first
    more = certificate(ca.host("a1", HostRole.API, sans=("api.example.net",)))
    names = x509.load_pem_x509_certificate(more).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"h1.example.net", "api.example.net"} <= set(names.get_values_for_type(x509.DNSName))
    with CaSession.open(ca.store, "test", NOW) as session:
        for entry in session.ledger.find("a1.api.bringup.internal"):
            session.revoke(entry, "superseded")
        session.commit()
    after = certificate(ca.host("a1", HostRole.API))
    assert after != more
    key = ca.store.files(Identity(Role.API, "a1")).key
    key.write_bytes(authority.key_pem(profile.new_key()))  # of another certificate
    assert certificate(ca.host("a1", HostRole.API)) != after


def test_after_the_ca_was_replaced_a_host_gets_a_certificate_of_the_new_one(ca: Enrolling) -> None:
    ca.host("w1", HostRole.WORKER)
    with CaSession.open(ca.store, "test", NOW) as session:
        start_over(session, [])
    files = ca.files(ca.host("w1", HostRole.WORKER))
    certificate = x509.load_pem_x509_certificate(files["pki/workers/worker-cert.pem"])
    assert authority.signer_of(certificate, ca.store.authorities())
