"""A proxy that ends TLS, as people put one in front of a server: it passes on plain bytes, or TLS of its own."""

import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

_WAIT_S = 5


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
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        Thread(target=_accept, args=(listener, front, port, back), daemon=True).start()
        yield int(listener.getsockname()[1])


def _accept(listener: socket.socket, front: ssl.SSLContext, port: int, back: ssl.SSLContext | None) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            Thread(target=_serve, args=(client, front, port, back), daemon=True).start()


def _serve(client: socket.socket, front: ssl.SSLContext, port: int, back: ssl.SSLContext | None) -> None:
    client.settimeout(_WAIT_S)
    with (
        suppress(OSError, ValueError),
        client,
        socket.create_connection(("127.0.0.1", port), _WAIT_S) as server,
        front.wrap_socket(client, server_side=True) as inside,
        back.wrap_socket(server, server_hostname="127.0.0.1") if back else server as outside,
    ):
        upwards = Thread(target=_copy, args=(inside, outside), daemon=True)
        upwards.start()
        _copy(outside, inside)
        upwards.join(_WAIT_S)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError, ValueError):
        while data := source.recv(16_384):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
