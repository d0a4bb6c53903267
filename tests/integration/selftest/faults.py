"""The faults: what is done to a good stack, which checks must turn, and what the one that matters must say."""

import http.server
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from threading import Thread

from pydantic import SecretStr

from api.state.change_memory import ChangeMemory
from api.state.installation import MEMORY_FILE
from bringup.redis_acl import DEFAULT_USER
from bringup.settings.generated import new_secret
from pki.names import Identity, Role
from tests.conftest import free_port
from tests.integration.selftest.bad import Mint, Pair
from tests.integration.selftest.site import Changes, Site

Inject = Callable[[Site], AbstractContextManager[Changes]]

STRANGERS = {"no-certificate", "foreign-ca", "expired", "not-yet-valid", "wrong-purpose"}
REDIS, WORKER, API = (Identity(role, role.value) for role in (Role.REDIS, Role.WORKER, Role.API))
REDIS_FILES, API_FILES, WORKER_FILES = "redis/redis", "api/api", "workers/worker"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Args:
        turns: the checks that must fail by themselves, and no others: what follows from them is attributed to them.
        shown_by: the check that names the cause.
        words: parts of its text.
    """

    name: str
    inject: Inject
    turns: frozenset[str]
    shown_by: str
    words: tuple[str, ...]


def fault(name: str, inject: Inject, turns: set[str], shown_by: str, *words: str) -> Fault:
    return Fault(name, inject, frozenset(turns), shown_by, words)


def here(**changes: object) -> Inject:
    """Something is wrong on our side only."""

    @contextmanager
    def inject(_site: Site) -> Iterator[Changes]:
        yield changes

    return inject


def second_api(**variables: str) -> Inject:
    return lambda site: site.api(**variables)


@contextmanager
def redis_is_down(site: Site) -> Iterator[Changes]:
    with site.without_redis():
        yield {}


@contextmanager
def redis_is_plain(site: Site) -> Iterator[Changes]:
    """The port that people know is the plain one."""
    port = free_port()
    with site.redis_set(port=str(port)):
        yield {"redis_port": port}


@contextmanager
def a_second_port(site: Site) -> Iterator[Changes]:
    with site.redis_set(port=str(free_port())):
        yield {}


def redis_set(**config: str) -> Inject:
    @contextmanager
    def inject(site: Site) -> Iterator[Changes]:
        with site.redis_set(**config):
            yield {}

    return inject


def redis_with(make: Callable[[Mint], Pair]) -> Inject:
    """Redis runs with another certificate, and that is the one on disk."""

    @contextmanager
    def inject(site: Site) -> Iterator[Changes]:
        with site.redis_with(make(Mint(site.store, REDIS)).as_files(REDIS_FILES)):
            yield {}

    return inject


def api_with(make: Callable[[Mint], Pair]) -> Inject:
    """The API takes new files by itself."""

    @contextmanager
    def inject(site: Site) -> Iterator[Changes]:
        with site.files(make(Mint(site.store, API)).as_files(API_FILES)):
            yield {}

    return inject


def worker_with(make: Callable[[Mint], Pair]) -> Inject:
    """What we present, to Redis and to the API."""

    @contextmanager
    def inject(site: Site) -> Iterator[Changes]:
        with site.files(make(Mint(site.store, WORKER)).as_files(WORKER_FILES)):
            yield {}

    return inject


@contextmanager
def not_reloaded(site: Site) -> Iterator[Changes]:
    """Renewed on disk; Redis did not load it."""
    with site.files(Mint(site.store, REDIS).good().as_files(REDIS_FILES)):
        yield {}


@contextmanager
def not_loadable(site: Site) -> Iterator[Changes]:
    """The API keeps the last files that were good when new ones do not fit."""
    with site.files({f"{API_FILES}-cert.pem": Mint(site.store, API).good().certificate}):
        yield {}


@contextmanager
def another_key(site: Site) -> Iterator[Changes]:
    with site.files({f"{WORKER_FILES}-key.pem": (site.store.root / f"{API_FILES}-key.pem").read_bytes()}):
        yield {}


@contextmanager
def a_key_for_all(site: Site) -> Iterator[Changes]:
    path = site.store.root / f"{WORKER_FILES}-key.pem"
    path.chmod(0o644)
    try:
        yield {}
    finally:
        path.chmod(0o600)


@contextmanager
def no_ca_key(site: Site) -> Iterator[Changes]:
    elsewhere = site.folder / "ca-key-elsewhere.pem"
    site.store.ca_key.rename(elsewhere)
    try:
        yield {}
    finally:
        elsewhere.rename(site.store.ca_key)


@contextmanager
def a_stranger(_site: Site) -> Iterator[Changes]:
    """Python's own server has the port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Quiet)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {"callback_api_port": server.server_address[1]}
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: it is none of the test's output."""


@contextmanager
def a_default_user_that_may_nothing(site: Site) -> Iterator[Changes]:
    """As older versions of redis-conf wrote it."""
    site.keeper.execute_command("ACL", "SETUSER", "default", "reset", "nopass")  # type: ignore[no-untyped-call]
    try:
        yield {}
    finally:
        rules = DEFAULT_USER.split()[2:]
        site.keeper.execute_command("ACL", "SETUSER", "default", "reset", *rules)  # type: ignore[no-untyped-call]


@contextmanager
def a_default_user_without_password(site: Site) -> Iterator[Changes]:
    """Whoever reaches Redis may do everything."""
    site.keeper.execute_command("ACL", "SETUSER", "default", "on", "nopass")  # type: ignore[no-untyped-call]
    try:
        yield {}
    finally:
        rules = DEFAULT_USER.split()[2:]
        site.keeper.execute_command("ACL", "SETUSER", "default", "reset", *rules)  # type: ignore[no-untyped-call]


@contextmanager
def lost_changes(site: Site) -> Iterator[Changes]:
    """Redis holds less than the API remembers."""
    number = int(site.keeper.get("bringup:change-number") or 0)
    memory = ChangeMemory(site.settings.state_dir / MEMORY_FILE)
    memory.replace(number + 7)
    try:
        yield {}
    finally:
        memory.replace(number)
        site.keeper.delete("bringup:loss")


@contextmanager
def an_api_that_checked_no_list(site: Site) -> Iterator[Changes]:
    """The list of revoked certificates was never carried to it."""
    with site.api(API_TLS_CRL=str(site.old_crl)) as changes:
        yield changes


WRONG_PASSWORD = here(redis_password=SecretStr(new_secret()))

WITH_TLS = (
    fault("the default user may replay nothing", a_default_user_that_may_nothing, {"1c"}, "1c", "exec", "ACL SETUSER"),
    fault("Redis has lost changes", lost_changes, {"3e"}, "3e", "has lost 7 changes", "--accept-redis"),
    fault(
        "wrong password",
        WRONG_PASSWORD,
        {"1a"},
        "1a",
        "invalid username-password pair",
    ),
    fault("Redis is down", redis_is_down, {"1a"}, "1a", "nothing listens", "it is not running"),
    fault("Redis is plain", redis_is_plain, {"1a"}, "1a", "speaks plain text", "started without TLS"),
    fault(
        "Redis asks for no certificate",
        redis_set(tls_auth_clients="no"),
        {f"7.redis.{case}" for case in STRANGERS},
        "7.redis.no-certificate",
        "accepted",
        "bringup redis-conf",
    ),
    fault(
        "Redis asks for a certificate, but does not require one",
        redis_set(tls_auth_clients="optional"),
        {"7.redis.no-certificate"},
        "7.redis.no-certificate",
        "accepted",
    ),
    fault(
        "Redis speaks old TLS",
        redis_set(tls_protocols="TLSv1.1 TLSv1.2 TLSv1.3", tls_ciphers="ALL:@SECLEVEL=0"),
        {"7.redis.old-tls"},
        "7.redis.old-tls",
        "accepted",
    ),
    fault(
        "Redis has a plain-text port", a_second_port, {"7.redis.plain-port"}, "7.redis.plain-port", "in plain text on"
    ),
    fault("Redis: expired", redis_with(Mint.expired), {"5a"}, "1a", "certificate has expired", "pki renew"),
    fault(
        "Redis: another host's",
        redis_with(Mint.for_another_host),
        {"6"},
        "1a",
        "IP address mismatch",
        "does not name this address",
    ),
    fault(
        "Redis: foreign CA of the same name",
        redis_with(Mint.of_a_foreign_ca),
        {"4"},
        "1a",
        "REDIS_TLS_CA",
    ),
    fault("Redis: not reloaded", not_reloaded, {"5b"}, "5b", "renewed and not loaded"),
    fault(
        "API is plain",
        second_api(API_USE_TLS="false", API_REQUIRE_CLIENT_CERT="false"),
        {"3b"},
        "3b",
        "speaks plain text",
        "started without TLS",
    ),
    fault(
        "API asks for no certificate",
        second_api(API_REQUIRE_CLIENT_CERT="false"),
        {"7.api.no-certificate"},
        "7.api.no-certificate",
        "accepted",
        "API_REQUIRE_CLIENT_CERT=true",
    ),
    fault("a stranger on the API's port", a_stranger, {"3b"}, "3b", "SimpleHTTP", "another program"),
    fault("API: expired", api_with(Mint.expired), {"5a"}, "3b", "certificate has expired", "pki renew"),
    fault("API: another host's", api_with(Mint.for_another_host), {"6"}, "3b", "does not name this address"),
    fault("API: foreign CA of the same name", api_with(Mint.of_a_foreign_ca), {"4"}, "3b", "API_TLS_CA"),
    fault("API: files that do not fit", not_loadable, {"5c", "6"}, "5c", "renewed and not loaded"),
    fault("API: list not carried", an_api_that_checked_no_list, {"7.api.revoked"}, "7.api.revoked", "accepted"),
    fault("wrong API token", here(api_token=SecretStr(new_secret())), {"3b"}, "3b", "401", "API_TOKEN"),
    fault(
        "we: expired",
        worker_with(Mint.expired),
        {"5a"},
        "1a",
        "our certificate",
        "has expired",
    ),
    fault(
        "we: a server's certificate",
        worker_with(Mint.for_another_purpose),
        {"6"},
        "1a",
        "for another purpose",
        "REDIS_TLS_CERT",
    ),
    fault(
        "we: foreign CA of the same name",
        worker_with(Mint.of_a_foreign_ca),
        {"4"},
        "3b",
        "does not trust the CA of our certificate",
    ),
    fault("another key", another_key, {"6"}, "6", "does not fit"),
    fault("a key that all may read", a_key_for_all, {"6"}, "6", "0644", "chmod 600"),
    fault(
        "no CA key here",
        no_ca_key,
        {
            *(f"7.{who}.{case}" for who in ("redis", "api") for case in ("expired", "not-yet-valid", "wrong-purpose")),
            "7.api.revoked",
            "7.api.roles",
        },
        "7.redis.expired",
        "needs the CA key",
        "host of the CA",
    ),
)

WITHOUT_TLS = (
    fault("Redis has lost changes", lost_changes, {"3e"}, "3e", "has lost 7 changes", "--accept-redis"),
    fault("wrong password", WRONG_PASSWORD, {"1a"}, "1a", "invalid username-password pair", "REDIS_PASSWORD"),
    fault("Redis is down", redis_is_down, {"1a"}, "1a", "nothing listens", "it is not running"),
    fault("Redis asks for no password", a_default_user_without_password, {"1a"}, "1a", "answers without a password"),
    fault("a stranger on the API's port", a_stranger, {"3a"}, "3a", "SimpleHTTP"),
    fault("wrong API token", here(api_token=SecretStr(new_secret())), {"3a"}, "3a", "401", "API_TOKEN"),
    fault(
        "nothing on the API's port",
        here(callback_api_port=free_port()),
        {"3a"},
        "3a",
        "nothing listens",
    ),
)
