"""Probes: single connections outside of our clients, to see exactly which side refuses what, and how.

After a TLS 1.3 handshake the client takes the connection for good before the server has looked at its certificate.
Only a client that reads first sees the refusal; one that writes first gets a reset, which shows nothing.
"""

import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path

from bringup.peer_role import ServerRole, socket_to
from bringup.tls_failures import meaning_of

# How long a probe that must be refused waits for the refusal before it sends: more than a round trip within a site.
# Where the server accepts it, the probe takes this much longer.
_LISTEN_FIRST_S = 0.25
# How much of an answer a probe reads: the status line, the headers and the service's name in /health are in it, and no
# server can fill our memory.
_ANSWER_BYTES = 4096
PING = b"PING\r\n"
UNKNOWN_NAME = "its name cannot be resolved"
TlsContext = ssl.SSLContext
_LINE_CHARS = 120  # of an answer, in a message: a report has one line for each check
# Those of our clients (`bringup.tls`): a probe with others would be refused where they are not.
TLS12_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True)
class TlsCredentials:
    """The CA that is trusted, and the certificate and key presented (None: none).

    Args:
        role: of the server that a verifying context accepts; None: of any.
    """

    ca: Path
    cert: Path | None = None
    key: Path | None = None
    role: ServerRole | None = None


class Reached(IntEnum):
    """How far a probe got."""

    NOTHING = 0  # no connection
    PORT = 1  # a connection
    TLS = 2  # a TLS server, even if it refused us


@dataclass(frozen=True)
class Answer:
    """The result of one probe.

    Args:
        accepted: the server answered our request.
        text: the first bytes of the answer, or the reason of the refusal.
        certificate: the certificate of the server (DER), as far as the handshake got.
    """

    accepted: bool
    text: str
    reached: Reached = Reached.NOTHING
    certificate: bytes | None = None

    @property
    def first_line(self) -> str:
        """The beginning, short enough for a message."""
        return (self.text.splitlines() or [""])[0].strip()[:_LINE_CHARS]


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
        """The answer to ``request`` in plain text."""
        return self._exchange(None, request, 0)

    def secured(self, context: ssl.SSLContext, request: bytes, *, listen_s: float = _LISTEN_FIRST_S) -> Answer:
        """The answer to ``request`` by TLS.

        Args:
            context: what we present, and what we trust.
            request: what we send.
            listen_s: seconds to wait for a refusal before we send.
        """
        return self._exchange(context, request, listen_s)

    def handshake(self, context: ssl.SSLContext) -> Answer:
        """The result of a TLS handshake alone: it shows the server's certificate."""
        return self._exchange(context, b"", 0)

    def _exchange(self, context: ssl.SSLContext | None, request: bytes, listen_s: float) -> Answer:
        answer = Answer(accepted=False, text="")
        try:
            with socket.create_connection((self.host, self.port), self.timeout_s) as raw:
                answer = replace(answer, reached=Reached.PORT)
                with _wrapped(raw, context, self.host) as connection:
                    if isinstance(connection, ssl.SSLSocket):
                        seen = connection.getpeercert(binary_form=True)
                        answer = replace(answer, reached=Reached.TLS, certificate=seen)
                    reply = _converse(connection, request, listen_s, self.timeout_s) if request else b""
        except (OSError, ValueError) as error:
            return _refused(answer, error)
        return replace(answer, accepted=bool(reply), text=reply.decode("latin-1") or "closed without an answer")


def _refused(answer: Answer, error: Exception) -> Answer:
    """An alert is TLS, too."""
    if isinstance(error, socket.gaierror):
        return replace(answer, text=f"{UNKNOWN_NAME} ({error.strerror})")
    alert = isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")
    reached = Reached.TLS if alert or isinstance(error, ssl.SSLCertVerificationError) else answer.reached
    return replace(answer, text=meaning_of(error), reached=reached)


@contextmanager
def _wrapped(raw: socket.socket, context: ssl.SSLContext | None, host: str) -> Iterator[socket.socket]:
    if context is None:
        yield raw
    else:
        with context.wrap_socket(raw, server_hostname=host) as secured:
            yield secured


def _converse(connection: socket.socket, request: bytes, listen_s: float, timeout_s: float) -> bytes:
    """Listen for a refusal; then ask, and read the beginning of the answer."""
    if listen_s:
        connection.settimeout(listen_s)
        with suppress(TimeoutError):
            return connection.recv(_ANSWER_BYTES)
    connection.settimeout(timeout_s)
    connection.sendall(request)
    return _read_all(connection) if b" HTTP/1.1\r\n" in request else connection.recv(_ANSWER_BYTES)


def _read_all(connection: socket.socket) -> bytes:
    """An HTTP server sends header and body apart; what has come counts, even if the rest does not."""
    reply = connection.recv(_ANSWER_BYTES)
    with suppress(OSError):
        while reply and len(reply) < _ANSWER_BYTES and (more := connection.recv(_ANSWER_BYTES)):
            reply += more
    return reply


def verifying_context(identity: TlsCredentials) -> ssl.SSLContext:
    """A client context that trusts one CA and role. Raises OSError (ssl.SSLError among it): a file is unusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS12_CIPHERS)
    context.load_verify_locations(cafile=identity.ca)
    if identity.cert and identity.key:
        context.load_cert_chain(identity.cert, identity.key)
    if identity.role:
        context.sslsocket_class = socket_to(identity.role)
    return context


def insecure_context(identity: TlsCredentials | None = None) -> ssl.SSLContext:
    """A client context that accepts every certificate, to look at it: never send a secret through it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if identity and identity.cert and identity.key:
        with suppress(OSError):  # without it less can be seen, and another check reports what is wrong with it
            context.load_cert_chain(identity.cert, identity.key)
    return context


def old_tls_context(identity: TlsCredentials) -> ssl.SSLContext:
    """A client context that speaks TLS 1.1 at most, as an old client would. Raises OSError."""
    context = verifying_context(identity)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # that they are old is the point
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context
