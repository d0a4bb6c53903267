"""TLS contexts: the only place where one is built. Our CA is the only trust; TLS 1.2 is the least.

Source: RFC 9325 s.3.1 (versions), Mozilla's intermediate configuration (ciphers).
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from bringup.errors import SettingsError
from bringup.settings import Settings

_TLS12_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_Signature = tuple[tuple[str, int, int, int], ...]


class ContextCache:
    """One context per set of files, built once and again only when a file has changed.

    Building one costs more than a handshake; keeping one for ever would make renewal pointless.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._built: dict[tuple[Path, ...], tuple[_Signature, ssl.SSLContext]] = {}

    def get(self, files: tuple[Path, ...], build: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """The context for ``files``. Raises SettingsError when a file is missing or does not fit."""
        signature = _signature(files)
        with self._lock:
            known = self._built.get(files)
            if known is None or known[0] != signature:
                known = (signature, build())
                self._built[files] = known
            return known[1]

    def last_good(self, files: tuple[Path, ...]) -> ssl.SSLContext | None:
        """The context that was built last for ``files``, whatever they hold now."""
        known = self._built.get(files)
        return known[1] if known else None


class ClientContexts:
    """Contexts for our side of connections to Redis and to the API."""

    def __init__(self) -> None:
        self._cache = ContextCache()

    def get(self, ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
        """A context that trusts ``ca`` alone, checks host names, and presents ``cert``.

        Raises:
            SettingsError: a file is missing, unreadable, or the key does not fit the certificate.
        """
        return self._cache.get((ca, cert, key), lambda: _client_context(ca, cert, key))


class ServerContexts:
    """The API's own side. A renewed certificate is in force for the next connection; a broken one never is.

    Args:
        asks_clients: whether clients are asked for a certificate; BMCs that fetch an image have none.
    """

    def __init__(self, settings: Settings, *, asks_clients: bool = True) -> None:
        self._settings = settings
        self._asks_clients = asks_clients
        self._cache = ContextCache()
        self._enforces_crl = False  # once it was there, deleting the list does not let the revoked in again

    def get(self) -> ssl.SSLContext:
        """The context for a new connection; when the files are unusable, the last that was good.

        Raises:
            SettingsError: the files are unusable, and never were usable.
        """
        files = tuple(self._settings.path_of(name) for name in ("api_tls_ca", "api_tls_cert", "api_tls_key"))
        crl = self._settings.path_of("api_tls_crl")
        self._enforces_crl = self._enforces_crl or crl.exists()
        watched = (*files, crl) if self._enforces_crl else files
        try:
            return self._cache.get(watched, lambda: self._build(*watched))
        except SettingsError:
            last = self._cache.last_good(watched)
            if last is None:
                raise
            return last

    def _build(self, ca: Path, cert: Path, key: Path, crl: Path | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ecdh_curve("prime256v1")
        _load(context, ca, cert, key)
        if crl is not None:
            _load_crl(context, crl)
        # Machines bear a run token and may come without a certificate; workers and operators may not, which
        # api.audience sees to. A certificate that is presented must be ours in either case.
        required = self._settings.api_require_client_cert
        asked = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        context.verify_mode = asked if self._asks_clients else ssl.CERT_NONE
        return context


def for_redis(settings: Settings, contexts: ClientContexts) -> ssl.SSLContext:
    """The context for Redis connections under ``settings``."""
    return contexts.get(
        settings.path_of("redis_tls_ca"),
        settings.path_of("redis_tls_cert"),
        settings.path_of("redis_tls_key"),
    )


def for_api_client(settings: Settings, contexts: ClientContexts) -> ssl.SSLContext:
    """The context for connections to the callback API under ``settings``."""
    return contexts.get(
        settings.path_of("api_tls_ca"),
        settings.path_of("api_client_cert"),
        settings.path_of("api_client_key"),
    )


def _client_context(ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies and checks host names by default
    _load(context, ca, cert, key)
    return context


def _load(context: ssl.SSLContext, ca: Path, cert: Path, key: Path) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_TLS12_CIPHERS)
    try:
        context.load_verify_locations(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError([f"{ca}: no usable CA certificate: {_reason(error)}"]) from None
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError([f"{cert} and {key}: no usable certificate and key: {_reason(error)}"]) from None


def _load_crl(context: ssl.SSLContext, crl: Path) -> None:
    """From then on a certificate that the list names is refused, and everybody when the list has run out."""
    try:
        context.load_verify_locations(cafile=crl)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError([f"{crl}: no usable revocation list: {_reason(error)}; run bringup pki crl"]) from None
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _signature(files: tuple[Path, ...]) -> _Signature:
    def stat_of(path: Path) -> tuple[str, int, int, int]:
        try:
            status = path.stat()
        except OSError as error:
            raise SettingsError([f"{path}: {error.strerror}; run `bringup pki setup`"]) from None
        return (str(path), status.st_ino, status.st_size, status.st_mtime_ns)

    return tuple(stat_of(path) for path in files)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not readable as PEM").replace("_", " ").lower()
    return error.strerror or "cannot be read" if isinstance(error, OSError) else "cannot be read"
