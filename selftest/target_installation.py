"""What the self-test looks at: the settings, where things listen, and who we are to them."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from urllib.parse import urlsplit

from bringup import tls
from bringup.connections.redis_client import redis_errors
from bringup.connections.sentinel import Sentinels
from bringup.errors import BringupError
from bringup.model import utc_now
from bringup.settings import Address, Settings
from pki.store import Store
from selftest.bad_certificates import Forger
from selftest.probe import PING, Endpoint, Identity
from selftest.protocol_probe import Heard, hear

DEFAULT_PORTS = {"http": 80, "https": 443}
_SHORTEST_S = 0.05


@dataclass
class Subject:
    """One installation.

    Args:
        timeout_s: for each single connection.
        now: the clock of this host.
        deadline: by the monotonic clock; the nearer it is, the shorter is every wait.
    """

    settings: Settings
    timeout_s: float = 3.0
    contexts: tls.ClientContexts = field(default_factory=tls.ClientContexts)
    now: Callable[[], datetime] = utc_now
    deadline: float = math.inf

    @property
    def wait_s(self) -> float:
        """How long to wait for one answer."""
        return max(_SHORTEST_S, min(self.timeout_s, self.deadline - time.monotonic()))

    @property
    def hurried(self) -> Settings:
        """The settings for clients that wait no longer than `wait_s`; they try twice."""
        each = self.wait_s / 2
        return self.settings.model_copy(update={"redis_timeout_s": each, "api_timeout_s": each})

    @property
    def store(self) -> Store:
        """The PKI directory."""
        return Store(self.settings.pki_dir)

    @property
    def any_tls(self) -> bool:
        """Whether either flag is on."""
        return self.settings.redis_use_tls or self.settings.api_use_tls

    @property
    def redis(self) -> Endpoint:
        """Where Redis must listen."""
        return Endpoint("Redis", *self._redis_address, self.wait_s)

    @cached_property
    def sentinels(self) -> Sentinels:
        """The sentinels, asked in a hurry."""
        return Sentinels(self.hurried, self.contexts, name="selftest")

    @cached_property
    def _redis_address(self) -> Address:
        """With Sentinel where the master is now; where no sentinel knows that, REDIS_HOST is as good as any."""
        if self.settings.sentinels:
            with suppress(BringupError), redis_errors(self.settings):
                return self.sentinels.view().master
        return self.settings.redis_host, self.settings.redis_port

    @property
    def api(self) -> Endpoint:
        """Where the API must listen."""
        url = urlsplit(self.settings.api_url)
        return Endpoint("the API", url.hostname or "", url.port or DEFAULT_PORTS[url.scheme], self.wait_s)

    @property
    def health_request(self) -> bytes:
        """What a probe asks of the API: no secret is in it."""
        return f"GET /api/v1/health HTTP/1.1\r\nHost: {self.api.host}\r\nConnection: close\r\n\r\n".encode()

    @cached_property
    def redis_heard(self) -> Heard:
        """What speaks where Redis must listen."""
        return hear(self.redis, PING)

    @cached_property
    def api_heard(self) -> Heard:
        """What speaks where the API must listen."""
        return hear(self.api, self.health_request)

    @property
    def redis_hindrance(self) -> str:
        """Why Redis cannot be asked anything; empty if it can."""
        return self.redis_heard.hindrance(tls=self.settings.redis_use_tls)

    @property
    def api_hindrance(self) -> str:
        """Why the API cannot be asked anything; empty if it can."""
        return self.api_heard.hindrance(tls=self.settings.api_use_tls)

    @property
    def redis_identity(self) -> Identity:
        """What we present to Redis."""
        path = self.settings.path_of
        return Identity(path("redis_tls_ca"), path("redis_tls_cert"), path("redis_tls_key"))

    @property
    def api_identity(self) -> Identity:
        """What we present to the API."""
        path = self.settings.path_of
        return Identity(path("api_tls_ca"), path("api_client_cert"), path("api_client_key"))

    @cached_property
    def forger(self) -> Forger:
        """Makes certificates that must be refused."""
        secret = self.settings.ca_key_passphrase
        return Forger(self.store, secret.get_secret_value() if secret else None)

    def close(self) -> None:
        """Throw away what was forged."""
        if "forger" in self.__dict__:
            self.forger.close()
