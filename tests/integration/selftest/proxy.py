"""A proxy that ends TLS, as people put one in front of a server: it passes on plain bytes, or TLS of its own."""

import select
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

_WAIT_S = 60
_HANDSHAKE = b"\x16"  # the first byte of TLS: RFC 8446 s.5.1
Rewrite = Callable[[bytes], bytes]


def server_context(cert: Path, key: Path, *, ca: Path | None = None, crl: Path | None = None) -> ssl.SSLContext:
    """What the proxy shows its clients; with ``ca`` it wants a certificate of them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    if ca:
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_REQUIRED
    if crl:
        context.load_verify_locations(crl)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


def speaking_old_tls(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same, and TLS 1.0 and 1.1 besides."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@contextmanager
def proxy(front: ssl.SSLContext, port: int, back: ssl.SSLContext | None = None) -> Iterator[int]:
    """Passes on connections to ``port`` of this host; yields the port that it listens on.

    Args:
        front: what it shows its clients.
        back: what it shows the server; None: it speaks plain text to it.
    """

    def serve(client: socket.socket) -> None:
        with (
            _connected(port) as server,
            front.wrap_socket(client, server_side=True) as inside,
            back.wrap_socket(server, server_hostname="127.0.0.1") if back else server as outside,
        ):
            _join(inside, outside)

    with _listening(serve) as here:
        yield here


@contextmanager
def rewriting(port: int, rewrite: Rewrite) -> Iterator[int]:
    """Plain text to a plain server, and back, each part as ``rewrite`` has it."""

    def serve(client: socket.socket) -> None:
        with client, _connected(port) as server:
            _join(client, server, rewrite)

    with _listening(serve) as here:
        yield here


@contextmanager
def both(tls_port: int, plain_port: int, *, plain_from: int) -> Iterator[int]:
    """A port that speaks TLS and plain text, by the first byte of the client.

    Args:
        plain_from: the first of the connections in plain text, by number, that is not closed at once.
    """
    count = 0

    def serve(client: socket.socket) -> None:
        nonlocal count
        with client:
            is_tls = client.recv(1, socket.MSG_PEEK) == _HANDSHAKE
            count += not is_tls
            if is_tls or count >= plain_from:
                with _connected(tls_port if is_tls else plain_port) as server:
                    _join(client, server)

    with _listening(serve) as here:
        yield here


@contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        Thread(target=_accept, args=(listener, serve), daemon=True).start()
        yield int(listener.getsockname()[1])


def _accept(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            client.settimeout(_WAIT_S)
            Thread(target=_quietly, args=(serve, client), daemon=True).start()


def _quietly(serve: Callable[[socket.socket], None], client: socket.socket) -> None:
    """What a client or server cuts off is no matter of the proxy's."""
    with suppress(OSError, ValueError):
        serve(client)


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), _WAIT_S)


def _join(client: socket.socket, server: socket.socket, rewrite: Rewrite = bytes) -> None:
    """In one thread: OpenSSL does not allow two to use one connection."""
    target_of = {client: server, server: client}
    while target_of:
        buffered = [one for one in target_of if isinstance(one, ssl.SSLSocket) and one.pending()]
        ready = buffered or select.select([*target_of], [], [], _WAIT_S)[0]
        if not ready:
            return
        for source in ready:
            data = _received(source)
            if data:
                target_of[source].sendall(rewrite(data))
            elif data is not None:
                with suppress(OSError):
                    target_of.pop(source).shutdown(socket.SHUT_WR)


def _received(source: socket.socket) -> bytes | None:
    """What has come; None: nothing for us, such as a session ticket of TLS 1.3; empty: it is over."""
    source.settimeout(0)
    try:
        return source.recv(16_384)
    except (ssl.SSLWantReadError, BlockingIOError):
        return None
    except OSError:
        return b""
    finally:
        with suppress(OSError):
            source.settimeout(_WAIT_S)
