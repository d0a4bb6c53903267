"""Probes: connections made by hand, to see exactly who refuses what, and how.

After a TLS 1.3 handshake the client believes that all is well before the server has looked at its certificate.
A refusal shows only to who reads first; who writes first gets a reset instead, and learns nothing.
"""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bringup.selftest.explain import explained

_LISTEN_FIRST_S = 0.25
PING = b"PING\r\n"
TlsContext = ssl.SSLContext
TLS12_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True)
class Identity:
    """The CA that is trusted, and the certificate and key presented (None: none)."""

    ca: Path
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class Answer:
    """What came of one probe.

    Args:
        accepted: the other side answered our request.
        said: its first bytes, or why it refused.
        certificate: the certificate of the server (DER), as far as the handshake got.
    """

    accepted: bool
    said: str
    certificate: bytes | None = None


@dataclass(frozen=True)
class Endpoint:
    """Where a service must listen. ``timeout_s`` for each wait."""

    name: str
    host: str
    port: int
    timeout_s: float

    def __str__(self) -> str:
        return f"{self.name} at {self.host}:{self.port}"

    def plain(self, request: bytes) -> Answer:
        """Speak plain text."""
        return self._exchange(None, request)

    def secured(self, context: ssl.SSLContext, request: bytes, *, listen_s: float = _LISTEN_FIRST_S) -> Answer:
        """Speak TLS with ``context``. ``listen_s``: how long a refusal is waited for before we write."""
        return self._exchange(context, request, listen_s)

    def _exchange(self, context: ssl.SSLContext | None, request: bytes, listen_s: float = 0) -> Answer:
        certificate = None
        try:
            with self._connected(context) as connection:
                if isinstance(connection, ssl.SSLSocket):
                    certificate = connection.getpeercert(binary_form=True)
                said = _converse(connection, request, listen_s, self.timeout_s)
        except (OSError, ValueError) as error:
            return Answer(accepted=False, said=explained(error), certificate=certificate)
        return Answer(
            accepted=bool(said), said=said.decode("latin-1") or "closed without a word", certificate=certificate
        )

    @contextmanager
    def _connected(self, context: ssl.SSLContext | None) -> Iterator[socket.socket]:
        with socket.create_connection((self.host, self.port), self.timeout_s) as raw:
            if context is None:
                yield raw
            else:
                with context.wrap_socket(raw, server_hostname=self.host) as secured:
                    yield secured


def _converse(connection: socket.socket, request: bytes, listen_s: float, timeout_s: float) -> bytes:
    """Listen for a refusal; then ask, and read the beginning of the answer."""
    if listen_s:
        connection.settimeout(listen_s)
        with suppress(TimeoutError):
            return connection.recv(4096)
    connection.settimeout(timeout_s)
    connection.sendall(request)
    return connection.recv(4096)


def trusting(identity: Identity, *, check_hostname: bool = True) -> ssl.SSLContext:
    """A client context for one probe. Raises OSError (ssl.SSLError among it) when a file is unusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS12_CIPHERS)
    context.check_hostname = check_hostname
    context.load_verify_locations(cafile=identity.ca)
    if identity.cert and identity.key:
        context.load_cert_chain(identity.cert, identity.key)
    return context


def old_tls(identity: Identity) -> ssl.SSLContext:
    """A context that speaks TLS 1.1 at most, as an old client would."""
    context = trusting(identity)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context
