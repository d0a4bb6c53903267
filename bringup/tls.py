"""TLS contexts: the only place where one is built. Our CA is the only trust; TLS 1.2 is the least.

Source: RFC 9325 s.3.1 (versions), Mozilla's intermediate configuration (ciphers).
"""

import logging
import select
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from bringup import errors, log, outages, peer_role
from bringup.crl import CrlLife, CrlWatch
from bringup.files import Reloaded
from bringup.settings import Settings
from bringup.tls_sessions import TlsSessions

_TLS12_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_CHECK = "correct the setting that names it, or run `bringup pki verify`"
# What a client may resume of one connection. OpenSSL sends two; each holds the client's certificate, and costs a sixth
# of a handshake with one. Source: RFC 8446 s.4.6.1
_TICKETS = 1


class ContextCache:
    """One context per set of files, built once and again only when a file has changed.

    Building one costs more than a handshake; keeping one forever would make renewal pointless. While the new files
    cannot be used (one is half-written, or only one of certificate and key is renewed), the last good context stays.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[tuple[Path, ...], Reloaded[ssl.SSLContext]] = {}

    def get(self, files: tuple[Path, ...], build: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """The context for ``files``; the last good one while they cannot be used.

        Raises:
            SettingsError: they cannot be used, and never could.
        """
        entry = self._entries.get(files)
        if entry is None:
            # setdefault() is atomic: threads that come together get one entry, and its lock lets one of them build.
            entry = self._entries.setdefault(files, _entry(files, build, self._clock))
        return entry.last_good()


def _entry(
    files: tuple[Path, ...], build: Callable[[], ssl.SSLContext], clock: Callable[[], float]
) -> Reloaded[ssl.SSLContext]:
    names = ", ".join(map(str, files))
    alarm = outages.Alarm(
        "tls",
        "certificate files are not usable: the last good ones stay in use",
        "certificate files are usable again",
        level=logging.WARNING,
        files=names,
    )

    def log_new(_context: ssl.SSLContext) -> None:
        log.get("tls").info("new certificate files are in use", files=names)

    return Reloaded(files, build, alarm=alarm, changed=log_new, clock=clock)


class ClientContexts:
    """Contexts for our side of connections to Redis and to the API, and what these connections may resume.

    Args:
        has_certificate: whether we show a certificate; a machine that needs none has none.
    """

    def __init__(self, *, has_certificate: bool = True) -> None:
        self.sessions = TlsSessions()
        self._has_certificate = has_certificate
        self._caches = {role: ContextCache() for role in peer_role.ServerRole}

    def get(self, role: peer_role.ServerRole, ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
        """A context that trusts ``ca`` alone, checks host name and role of the server, and presents ``cert``.

        Ask for it at each connection: it is another one when the files were renewed.

        Args:
            role: which server this is for; another one of the same CA is sent nothing.
            ca, cert, key: files in PEM.

        Raises:
            SettingsError: a file is missing, unreadable, or the key does not fit the certificate, and always was.
        """
        pair = (cert, key) if self._has_certificate else ()
        return self._caches[role].get((ca, *pair), lambda: _client_context(role, ca, *pair))


class ServerContexts:
    """A server's side. A renewed certificate is in force for the next connection; a broken one never is.

    Args:
        asks_clients: whether clients are asked for a certificate; BMCs that fetch an image have none.
        certificate: the settings of the server's certificate begin with this.
    """

    def __init__(self, settings: Settings, *, asks_clients: bool = True, certificate: str = "api_tls") -> None:
        self._asks_clients = asks_clients
        # Machines bear a run token and may come without a certificate; workers and operators may not, which
        # api.auth sees to. The console asks people, and has a page for those who have none. A certificate that is
        # presented must be ours in either case.
        self._requires_clients = settings.api_require_client_cert and certificate == "api_tls"
        names = ("api_tls_ca", f"{certificate}_cert", f"{certificate}_key")
        self._files = tuple(map(settings.path_of, names))
        self._crl = settings.path_of("api_tls_crl")
        self._cache = ContextCache()
        self._crl_life: CrlLife | None = None
        self._crl_watch = CrlWatch()
        self._enforces_crl = False  # once it was there, deleting the list does not let the revoked in again

    def get(self) -> ssl.SSLContext:
        """The context for a new connection; when the files are unusable, the last that was good.

        Raises:
            SettingsError: the files are unusable, and never were usable.
        """
        self._enforces_crl = self._enforces_crl or self._crl.exists()
        watched = (*self._files, self._crl) if self._enforces_crl else self._files
        context = self._cache.get(watched, lambda: self._build(*watched))
        if self._crl_life and self._asks_clients:
            self._crl_watch.look(self._crl, self._crl_life)
        return context

    def _build(self, ca: Path, cert: Path, key: Path, crl: Path | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.num_tickets = _TICKETS
        _load_ca(context, ca)
        _load_pair(context, cert, key)
        if crl is not None:
            self._crl_life = _load_crl(context, crl)
        asked = ssl.CERT_REQUIRED if self._requires_clients else ssl.CERT_OPTIONAL
        context.verify_mode = asked if self._asks_clients else ssl.CERT_NONE
        return context


def redis_files(settings: Settings) -> tuple[peer_role.ServerRole, Path, Path, Path]:
    """What `ClientContexts.get` takes for Redis connections under ``settings``."""
    names = ("redis_tls_ca", "redis_tls_cert", "redis_tls_key")
    ca, cert, key = (settings.path_of(name) for name in names)
    return peer_role.ServerRole.REDIS, ca, cert, key


def for_redis(settings: Settings, contexts: ClientContexts) -> ssl.SSLContext:
    """The context for Redis connections under ``settings``."""
    return contexts.get(*redis_files(settings))


def for_api_client(settings: Settings, contexts: ClientContexts) -> ssl.SSLContext:
    """The context for connections to the callback API under ``settings``."""
    return contexts.get(
        peer_role.ServerRole.API,
        settings.path_of("api_tls_ca"),
        settings.path_of("api_client_cert"),
        settings.path_of("api_client_key"),
    )


def is_cut_off(error: BaseException) -> bool:
    """Whether the other side has closed in the middle of TLS, without an alert that would give a reason."""
    return isinstance(error, ssl.SSLEOFError)


def event_of(error: OSError) -> int | None:
    """What a connection that does not block has to wait for, as poll(2) names it; None: it is another error."""
    if isinstance(error, ssl.SSLWantReadError):
        return select.POLLIN
    return select.POLLOUT if isinstance(error, ssl.SSLWantWriteError) else None


def is_idle(connection: socket.socket) -> bool:
    """Whether the other side has neither closed nor sent data; session tickets of TLS are none (RFC 8446 s.4.6.1)."""
    timeout_s = connection.gettimeout()
    connection.settimeout(0)
    try:
        connection.recv(1)  # the end, or an answer to nothing that we sent
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    finally:
        connection.settimeout(timeout_s)
    return False


def _client_context(role: peer_role.ServerRole, ca: Path, *pair: Path) -> ssl.SSLContext:
    """``pair``: certificate and key; without them no certificate is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies and checks host names by default
    _load_ca(context, ca)
    if pair:
        _load_pair(context, *pair)
    context.sslsocket_class = peer_role.socket_to(role)
    return context


def _load_ca(context: ssl.SSLContext, ca: Path) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_TLS12_CIPHERS)
    _require(ca)
    try:
        context.load_verify_locations(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise errors.SettingsError([f"{ca}: no usable CA certificate: {_reason(error)}; {_CHECK}"]) from None


def _load_pair(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    for path in (cert, key):
        _require(path)
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise errors.SettingsError(
            [f"{cert} and {key}: no usable certificate and key of one pair: {_reason(error)}; {_CHECK}"]
        ) from None


def _require(path: Path) -> None:
    """OpenSSL does not name the file that is missing; this does."""
    try:
        path.stat()
    except OSError as error:
        raise errors.SettingsError(
            [f"{path}: {error.strerror}; run `bringup pki setup`, or correct the setting that names it"]
        ) from None


def _load_crl(context: ssl.SSLContext, crl: Path) -> CrlLife:
    """From then on a certificate that the list names is refused, and everybody when the list has run out."""
    try:
        context.load_verify_locations(cafile=crl)
        life = CrlLife.read(crl)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise errors.SettingsError(
            [f"{crl}: no usable revocation list: {_reason(error)}; run bringup pki crl"]
        ) from None
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return life


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not readable as PEM").replace("_", " ").lower()
    return error.strerror or "cannot be read" if isinstance(error, OSError) else "cannot be read"
