"""The faults of the API besides those of its certificates: what is in front of it and beside it, and its state."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256

from bringup.model import utc_now
from pki.authority import pem
from pki.profile import authority, new_key
from tests.conftest import free_port
from tests.integration.selftest.faults import Inject, fault
from tests.integration.selftest.proxy import proxy, server_context, speaking_old_tls
from tests.integration.selftest.site import Changes, Site

_PUBLIC_CAS = Path("/etc/ssl/certs/ca-certificates.crt")
_PLAIN = {"API_USE_TLS": "false", "API_REQUIRE_CLIENT_CERT": "false"}
_ROLES_CAUSE = "no role is enforced"


def _front(site: Site) -> ssl.SSLContext:
    """As careful as the API itself: a client that looks at TLS alone sees no difference."""
    api = site.store.root / "api"
    return server_context(
        api / "api-cert.pem", api / "api-key.pem", ca=site.store.ca_certificate, crl=site.store.ca_crl
    )


@contextmanager
def a_proxy_before_a_plain_api(site: Site) -> Iterator[Changes]:
    with site.api(**_PLAIN) as plain, proxy(_front(site), int(str(plain["callback_api_port"]))) as port:
        yield {"callback_api_port": port}


@contextmanager
def a_proxy_with_a_certificate_of_its_own(site: Site) -> Iterator[Changes]:
    """It speaks TLS to the API, with the certificate of a worker: every client is a worker to the API."""
    back = ssl.create_default_context(cafile=str(site.store.ca_certificate))
    worker = site.store.root / "workers"
    back.load_cert_chain(worker / "worker-cert.pem", worker / "worker-key.pem")
    with proxy(_front(site), site.settings.callback_api_port, back) as port:
        yield {"callback_api_port": port}


@contextmanager
def a_second_plain_api(site: Site) -> Iterator[Changes]:
    """The API that all clients know is as it must be; another one serves the same Redis on a free port."""
    with site.api(**_PLAIN):
        yield {}


@contextmanager
def nothing_at_the_second_address(site: Site) -> Iterator[Changes]:
    yield {"callback_api_url": f"{site.settings.api_url},{_url(site, free_port())}"}


@contextmanager
def redis_at_the_second_address(site: Site) -> Iterator[Changes]:
    """Its certificate is of our CA, and not that of an API."""
    yield {"callback_api_url": f"{site.settings.api_url},{_url(site, site.settings.redis_port)}"}


def _url(site: Site, port: int) -> str:
    return f"{'https' if site.settings.api_use_tls else 'http'}://127.0.0.1:{port}"


@contextmanager
def the_whole_api_on_the_port_of_images(site: Site) -> Iterator[Changes]:
    with site.api(API_REQUIRE_CLIENT_CERT="false") as changes:
        yield {"image_port": changes["callback_api_port"]}


@contextmanager
def images_by_old_tls(site: Site) -> Iterator[Changes]:
    api = site.store.root / "api"
    front = speaking_old_tls(server_context(api / "api-cert.pem", api / "api-key.pem"))
    back = ssl.create_default_context(cafile=str(site.store.ca_certificate))
    with site.images() as changes, proxy(front, int(str(changes["image_port"])), back) as port:
        yield {"image_port": port}


def a_trust_file(setting: str, more: Callable[[], bytes]) -> Inject:
    """A file of its own, with our CA and others in it."""

    @contextmanager
    def inject(site: Site) -> Iterator[Changes]:
        path = site.folder / "trusted.pem"
        path.write_bytes(site.store.ca_certificate.read_bytes() + more())
        yield {setting: path}

    return inject


def _of_our_form() -> bytes:
    """A CA of another installation of bringup: by its form nobody can tell."""
    key = new_key()
    return pem(authority(key.public_key(), 30, utc_now()).sign(key, SHA256()))


def presenting(setting: str, role: str) -> Inject:
    """Our certificate is of another role, by the same CA."""

    @contextmanager
    def inject(site: Site) -> Iterator[Changes]:
        folder = site.store.root / "issued" / role
        if not (folder / "other-cert.pem").exists():
            site.stack.command("pki", "issue", role, "--name", "other")
        yield {f"{setting}_cert": folder / "other-cert.pem", f"{setting}_key": folder / "other-key.pem"}

    return inject


@contextmanager
def an_old_list(site: Site) -> Iterator[Changes]:
    """The list of before the revocation: valid for days, and silent about the worker that was revoked since."""
    carried = site.folder / "carried-crl.pem"
    carried.write_bytes(site.old_crl.read_bytes())
    with site.api(API_TLS_CRL=str(carried)) as changes:
        yield {**changes, "api_tls_crl": carried}


@contextmanager
def no_list(site: Site) -> Iterator[Changes]:
    nowhere = site.folder / "no-crl.pem"
    with site.api(API_TLS_CRL="", PKI_DIR=str(_without_list(site))) as changes:
        yield {**changes, "api_tls_crl": nowhere}


def _without_list(site: Site) -> Path:
    """The folder of an API's host to which nobody carried the list."""
    root = site.folder / "pki-without-crl"
    for name in (
        "ca/ca-cert.pem",
        "api/api-cert.pem",
        "api/api-key.pem",
        "workers/worker-cert.pem",
        "workers/worker-key.pem",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes((site.store.root / name).read_bytes())
    return root


WITH_TLS = (
    fault(
        "a proxy before a plain API",
        a_proxy_before_a_plain_api,
        {"7.api.roles"},
        "7.api.roles",
        _ROLES_CAUSE,
    ),
    fault(
        "a proxy with a certificate of its own",
        a_proxy_with_a_certificate_of_its_own,
        {"7.api.roles"},
        "7.api.roles",
        "with the certificate of an operator",
        _ROLES_CAUSE,
    ),
    fault(
        "a second plain API",
        a_second_plain_api,
        {"7.api.plain-port"},
        "7.api.plain-port",
        "in plain text on port",
        "kill",
    ),
    fault(
        "the whole API on the port of images",
        the_whole_api_on_the_port_of_images,
        {"7.images.whole-api"},
        "7.images.whole-api",
        "serves the whole API",
    ),
    fault(
        "images by old TLS", images_by_old_tls, {"7.images.old-tls"}, "7.images.old-tls", "accepted", "bringup images"
    ),
    *(
        fault(
            f"public CAs in {setting}",
            a_trust_file(setting, _PUBLIC_CAS.read_bytes),
            {"4b"},
            "4b",
            setting.upper(),
            "cp ",
        )
        for setting in ("api_tls_ca", "redis_tls_ca")
    ),
    fault("a CA of another installation", a_trust_file("api_tls_ca", _of_our_form), {"4b"}, "4b", "bringup CA"),
    fault(
        "we present an operator to the API",
        presenting("api_client", "operator"),
        {"6b"},
        "6b",
        "API_CLIENT_CERT",
        "role worker",
    ),
    fault(
        "we present a console to Redis",
        presenting("redis_tls", "console"),
        {"6b"},
        "6b",
        "REDIS_TLS_CERT",
        "role console",
    ),
    fault("the API has an old list", an_old_list, {"5d"}, "5d", "list number", "cp "),
    fault("nothing listens at the second address", nothing_at_the_second_address, {"3g"}, "3g", "does not answer"),
    fault(
        "another server of ours at the second address",
        redis_at_the_second_address,
        {"3g"},
        "3g",
        "no TLS connection",
    ),
    fault("the API has no list", no_list, {"5d"}, "5d", "does not exist", "carry ca/ca-crl.pem"),
)
# Without TLS nothing else is promised.
WITHOUT_TLS = (
    fault("nothing listens at the second address", nothing_at_the_second_address, {"3g"}, "3g", "does not answer"),
)
