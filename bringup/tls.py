"""TLS contexts: the only place where one is built. Our CA is the only trust; TLS 1.2 is the least.

Source: RFC 9325 s.3.1 (versions), Mozilla's intermediate configuration (ciphers).
"""

import ssl
from pathlib import Path
from threading import Lock

from bringup.errors import SettingsError
from bringup.settings import Settings

_TLS12_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_Signature = tuple[tuple[str, int, int, int], ...]


class ClientContexts:
    """One client context per set of files, built once and again only when a file has changed.

    Building one costs more than a handshake; keeping one for ever would make renewal pointless.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._built: dict[tuple[Path, Path, Path], tuple[_Signature, ssl.SSLContext]] = {}

    def get(self, ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
        """A context that trusts ``ca`` alone, checks host names, and presents ``cert``.

        Raises:
            SettingsError: a file is missing, unreadable, or the key does not fit the certificate.
        """
        files = (ca, cert, key)
        signature = _signature(files)
        with self._lock:
            known = self._built.get(files)
            if known is None or known[0] != signature:
                known = (signature, _client_context(ca, cert, key))
                self._built[files] = known
            return known[1]


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
    return context


def _signature(files: tuple[Path, ...]) -> _Signature:
    def stat_of(path: Path) -> tuple[str, int, int, int]:
        try:
            status = path.stat()
        except OSError as error:
            raise SettingsError([f"{path}: {error.strerror}; run scripts/pki/setup_pki.sh"]) from None
        return (str(path), status.st_ino, status.st_size, status.st_mtime_ns)

    return tuple(stat_of(path) for path in files)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not readable as PEM").replace("_", " ").lower()
    return error.strerror or "cannot be read" if isinstance(error, OSError) else "cannot be read"
