"""The faults of what lies between us and the servers: ports that speak too much, proxies that change what they pass."""

import os
import re
import shutil
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime

from api.state.inventories import ApiHost
from bringup import keys
from bringup.model import utc_now
from tests.conftest import free_port
from tests.integration.selftest.faults import STRANGERS, fault, here
from tests.integration.selftest.proxy import both, proxy, rewriting, server_context, speaking_old_tls
from tests.integration.selftest.redis_faults import user
from tests.integration.selftest.site import Changes, Site


def _as_worker(site: Site) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(site.store.ca_certificate))
    context.load_cert_chain(site.store.root / "workers/worker-cert.pem", site.store.root / "workers/worker-key.pem")
    return context


def _as_api(site: Site, *, asks_clients: bool) -> ssl.SSLContext:
    api = site.store.root / "api"
    given = {"ca": site.store.ca_certificate, "crl": site.store.ca_crl} if asks_clients else {}
    return server_context(api / "api-cert.pem", api / "api-key.pem", **given)


@contextmanager
def a_proxy_by_old_tls(site: Site) -> Iterator[Changes]:
    front = speaking_old_tls(_as_api(site, asks_clients=True))
    with proxy(front, site.settings.callback_api_port, _as_worker(site)) as port:
        yield {"callback_api_port": port}


@contextmanager
def a_proxy_that_asks_no_client(site: Site) -> Iterator[Changes]:
    with proxy(_as_api(site, asks_clients=False), site.settings.callback_api_port, _as_worker(site)) as port:
        yield {"callback_api_port": port}


@contextmanager
def an_api_by_both(site: Site) -> Iterator[Changes]:
    """One port for both; it is taken for a port with TLS alone until it is asked for the second time."""
    with site.api(API_USE_TLS="false", API_REQUIRE_CLIENT_CERT="false") as plain:
        own = site.settings.callback_api_port
        with both(own, int(str(plain["callback_api_port"])), plain_from=2) as port:
            yield {"callback_api_port": port}


@contextmanager
def a_redis_by_both(site: Site) -> Iterator[Changes]:
    plain = free_port()
    with site.redis_set(port=str(plain)), both(site.settings.redis_port, plain, plain_from=2) as port:
        yield {"redis_port": port}


@contextmanager
def any_token_will_do(site: Site) -> Iterator[Changes]:
    """A gateway that logs in to the API by itself, for every client."""
    token = site.settings.api_token
    assert token
    right = f"Bearer {token.get_secret_value()}".encode()

    def rewrite(data: bytes) -> bytes:
        return data.replace(b"Bearer wrong", right)

    with rewriting(site.settings.callback_api_port, rewrite) as port:
        yield {"callback_api_port": port}


@contextmanager
def a_clock_that_is_fast(site: Site) -> Iterator[Changes]:
    """The clock of the API's host: it is in the Date of its answers."""

    def rewrite(data: bytes) -> bytes:
        later = format_datetime(utc_now() + timedelta(minutes=10), usegmt=True)
        return re.sub(rb"Date: [^\r]+", f"Date: {later}".encode(), data)

    with rewriting(site.settings.callback_api_port, rewrite) as port:
        yield {"callback_api_port": port}


@contextmanager
def another_inventory(site: Site) -> Iterator[Changes]:
    """Another API host of the same Redis has another one."""
    now = utc_now().timestamp()
    other = ApiHost(name="other:5000", digest="another", seen_at=now).model_dump_json()
    site.keeper.hset(keys.INVENTORY_HOSTS, "other", other)
    try:
        yield {}
    finally:
        site.keeper.hdel(keys.INVENTORY_HOSTS, "other")


@contextmanager
def no_redis_cli(site: Site) -> Iterator[Changes]:
    """No program but git is there."""
    programs = site.folder / "programs"
    programs.mkdir(exist_ok=True)
    git, path = shutil.which("git"), os.environ["PATH"]
    if git and not (programs / "git").exists():
        (programs / "git").symlink_to(git)
    os.environ["PATH"] = str(programs)
    try:
        yield {}
    finally:
        os.environ["PATH"] = path


NOBODY_IS_ASKED = {f"7.api.{case}" for case in (*STRANGERS, "revoked", "roles")}
WITH_TLS = (
    fault("a proxy by old TLS", a_proxy_by_old_tls, {"7.api.old-tls", "7.api.roles"}, "7.api.old-tls", "accepted"),
    fault("a proxy that asks no client", a_proxy_that_asks_no_client, NOBODY_IS_ASKED, "7.api.foreign-ca", "accepted"),
    fault(
        "an API by TLS and in plain text",
        an_api_by_both,
        {"7.api.plain-text", "7.api.plain-port"},
        "7.api.plain-text",
        "accepted",
    ),
    fault(
        "a Redis by TLS and in plain text",
        a_redis_by_both,
        {"7.redis.plain-text", "7.redis.plain-port"},
        "7.redis.plain-text",
        "accepted",
    ),
    fault("no redis-cli", no_redis_cli, {"1b"}, "1b", "redis-cli is not installed", "apt-get install redis-tools"),
    fault("nobody serves images", here(image_port=free_port()), {"3d"}, "3d", "nobody answers", "bringup images"),
    fault("another API host has another inventory", another_inventory, {"8.hosts"}, "8.hosts", "other API host"),
    fault("no sentinel answers", here(redis_sentinels=f"127.0.0.1:{free_port()}"), {"1a", "1d"}, "1d", "sentinel"),
    fault("a worker may not take a job", user("worker", "-lmove"), {"1h", "2b"}, "1h", "may not run lmove"),
)
WITHOUT_TLS = (
    fault("any token will do", any_token_will_do, {"7.api.wrong-token"}, "7.api.wrong-token", "200"),
    fault("a clock that is fast", a_clock_that_is_fast, {"3c"}, "3c", "the API +", "chronyc makestep"),
    fault("a worker may not take a job", user("worker", "-lmove"), {"1h", "2a"}, "2a", "may not do what a worker"),
    fault("another API host has another inventory", another_inventory, {"8.hosts"}, "8.hosts", "other API host"),
)
