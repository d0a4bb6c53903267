"""The installation that the self-test examines: the settings, the two servers, and what we present to them."""

import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bringup import errors, model, tls
from bringup.connections.api_client import ApiClient
from bringup.connections.redis_client import connect_redis, redis_errors
from bringup.connections.sentinel import Sentinels
from bringup.openssl_errors import TO_API, TO_REDIS
from bringup.peer_role import ServerRole
from bringup.settings import Address, Settings
from bringup.tls_failures import ConnectionSettings
from pki.store import Store
from selftest.bad_certificates import BadCertificates
from selftest.probe import PING, Answer, Endpoint, TlsContext, TlsCredentials
from selftest.protocol_probe import Detected, detect

if TYPE_CHECKING:
    from redis import Redis

CA_OF_SITE = Path("/etc/bringup/ca")
DEFAULT_PORTS = {"http": 80, "https": 443}  # RFC 9110 s.4.2.1 and s.4.2.2
# The shortest wait, also after the deadline: 0 would make a socket non-blocking, and every server look silent.
_SHORTEST_S = 0.05


@dataclass
class TlsServer:
    """One of the two servers that must speak TLS when its flag is on.

    Args:
        connection: the settings of a connection to it, ``use_tls`` the value of its flag here.
        identity: what we present to it, and which CA we trust.
        request: what a probe sends: no secret is in it.
        wait_s: how many seconds a probe waits now.
        shown_by: the checks that show why it cannot be reached.
        hint: how it becomes what the settings require.
    """

    name: str
    connection: ConnectionSettings
    use_tls: bool
    address: Address
    identity: TlsCredentials
    request: bytes
    wait_s: Callable[[], float]
    shown_by: tuple[str, ...]
    hint: str

    @property
    def flag(self) -> str:
        """The variable that turns TLS on."""
        return self.connection.flag

    @property
    def see(self) -> str:
        """Where a reader finds why it cannot be reached."""
        return f"see {self.shown_by[-1]}"

    @property
    def endpoint(self) -> Endpoint:
        """Where it must listen."""
        return Endpoint(self.name, *self.address, self.wait_s())

    @cached_property
    def detected(self) -> Detected:
        """What speaks there."""
        return detect(self.endpoint, self.request)

    @property
    def blocker(self) -> str:
        """Why no client can work there; empty if it can."""
        return self.detected.blocker(tls=self.use_tls)

    def required_by(self, *, tls: bool) -> str:
        """The setting, if it is the one that turns TLS on, or off; else empty."""
        return f"{self.flag}={str(tls).lower()}" if self.use_tls is tls else ""

    def plain(self) -> Answer:
        """Its answer in plain text."""
        return self.endpoint.plain(self.request)

    def secured(self, context: TlsContext) -> Answer:
        """Its answer by TLS; a refusal is waited for."""
        return self.endpoint.secured(context, self.request)


@dataclass
class TargetInstallation:
    """One installation.

    Args:
        timeout_s: seconds for each single connection.
        now: the clock of this host.
        origins: of each variable where its value came from: ``environment``, a file's name or ``default``.
        env_files: the files that settings were read from, later ones winning.
        deadline: by the monotonic clock; the nearer it is, the shorter is every wait.
    """

    settings: Settings
    timeout_s: float = 3.0
    contexts: tls.ClientContexts = field(default_factory=tls.ClientContexts)
    now: Callable[[], datetime] = model.utc_now
    origins: Mapping[str, str] = field(default_factory=dict)
    env_files: tuple[Path, ...] = ()
    deadline: float = math.inf

    @property
    def wait_s(self) -> float:
        """How many seconds to wait for one answer."""
        return max(_SHORTEST_S, min(self.timeout_s, self.deadline - time.monotonic()))

    @property
    def short_timeouts(self) -> Settings:
        """The settings for clients that wait no longer than `wait_s`; they try twice."""
        each = self.wait_s / 2
        return self.settings.model_copy(update={"redis_timeout_s": each, "api_timeout_s": each})

    @property
    def store(self) -> Store:
        """The PKI directory."""
        return Store(self.settings.pki_dir)

    @property
    def ca_store(self) -> Store:
        """Where the CA's key is, if it is on this host: in the PKI directory, or apart, by `bringup site init`."""
        apart = Store(CA_OF_SITE)
        if self.store.ca_key.exists() or not os.access(apart.ca_key, os.R_OK):
            return self.store
        is_ours = self.store.ca_certificate.exists() and apart.authorities() == self.store.authorities()
        return apart if is_ours else self.store

    @property
    def any_tls(self) -> bool:
        """Whether either flag is on."""
        return self.settings.redis_use_tls or self.settings.api_use_tls

    @property
    def promises(self) -> bool:
        """Whether what production needs is a failure here where it is missing, and no warning."""
        return self.any_tls or self.settings.environment == "production"

    @cached_property
    def redis(self) -> TlsServer:
        """Redis; with Sentinel, the present master."""
        path = self.settings.path_of
        return TlsServer(
            "Redis",
            connection=TO_REDIS,
            use_tls=self.settings.redis_use_tls,
            address=self._redis_address(),
            identity=TlsCredentials(
                path("redis_tls_ca"), path("redis_tls_cert"), path("redis_tls_key"), ServerRole.REDIS
            ),
            request=PING,
            wait_s=lambda: self.wait_s,
            shown_by=("1a",),
            hint="bringup redis-conf --force, then start Redis with what it writes",
        )

    @cached_property
    def api(self) -> TlsServer:
        """The callback API."""
        path, url = self.settings.path_of, urlsplit(self.settings.api_url)
        host = url.hostname or ""
        return TlsServer(
            "the API",
            connection=TO_API,
            use_tls=self.settings.api_use_tls,
            address=(host, url.port or DEFAULT_PORTS[url.scheme]),
            identity=TlsCredentials(
                path("api_tls_ca"), path("api_client_cert"), path("api_client_key"), ServerRole.API
            ),
            request=f"GET /api/v1/health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode(),
            wait_s=lambda: self.wait_s,
            shown_by=("3b" if self.settings.api_use_tls else "3a",),
            hint="start `bringup api` with these settings",
        )

    @cached_property
    def sentinels(self) -> Sentinels:
        """The sentinels, asked with short timeouts."""
        return Sentinels(self.short_timeouts, self.contexts, name="selftest")

    def redis_client(self) -> "Redis":
        """A client as all services use it, with short timeouts."""
        return connect_redis(self.short_timeouts, self.contexts, name="selftest")

    def api_client(self, url: str = "") -> ApiClient:
        """A client as workers and operators use it, with short timeouts, of one address: no other answers for it.

        Args:
            url: one of CALLBACK_API_URL; empty: the one that all tests ask.
        """
        one = {"callback_api_url": url or self.settings.api_url}
        return ApiClient(self.short_timeouts.model_copy(update=one), self.contexts)

    @cached_property
    def bad_certificates(self) -> BadCertificates:
        """Makes certificates that must be refused."""
        secret = self.settings.ca_key_passphrase
        return BadCertificates(self.ca_store, secret.get_secret_value() if secret else None)

    def close(self) -> None:
        """Delete the bad certificates."""
        if "bad_certificates" in self.__dict__:
            self.bad_certificates.close()

    def _redis_address(self) -> Address:
        """With Sentinel where the master is now; where no sentinel knows that, REDIS_HOST is as good as any."""
        if self.settings.sentinels:
            with suppress(errors.BringupError), redis_errors(self.settings):
                return self.sentinels.view().master
        return self.settings.redis_host, self.settings.redis_port
