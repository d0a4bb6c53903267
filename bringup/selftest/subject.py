"""What the self-test looks at: the settings, where things listen, and who we are to them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import urlsplit

from bringup import tls
from bringup.selftest.forged import Forger
from bringup.selftest.probe import Endpoint, Identity
from bringup.settings import Settings
from pki.store import Store

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass
class Subject:
    """One installation.

    Args:
        timeout_s: for each single connection.
    """

    settings: Settings
    timeout_s: float = 3.0
    contexts: tls.ClientContexts = field(default_factory=tls.ClientContexts)

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
        return Endpoint("Redis", self.settings.redis_host, self.settings.redis_port, self.timeout_s)

    @property
    def api(self) -> Endpoint:
        """Where the API must listen."""
        url = urlsplit(self.settings.api_url)
        return Endpoint("API", url.hostname or "", url.port or DEFAULT_PORTS[url.scheme], self.timeout_s)

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
        return Forger(self.store)

    def close(self) -> None:
        """Throw away what was forged."""
        if "forger" in self.__dict__:
            self.forger.close()

    @staticmethod
    def now() -> datetime:
        """The time by this host's clock."""
        return datetime.now(UTC)
