"""A server that refuses a large body over TLS before it has read it."""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

from bringup import tls
from bringup.connections.http_pool import HttpPool
from bringup.peer_role import ServerRole
from bringup.settings import Settings
from pki.names import STANDARD
from tests.unit.pki import kit

REFUSAL = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!"
# More than the buffers of both sides take: the client is sending when the server closes.
BODY = b"x" * 32 * 1024**2


def refuse(listener: socket.socket, context: ssl.SSLContext) -> None:
    with listener:
        accepted, _ = listener.accept()  # one, and no other
    with suppress(OSError), context.wrap_socket(accepted, server_side=True) as connection:
        connection.recv(65536)
        connection.sendall(REFUSAL)
        socket.socket.shutdown(connection, socket.SHUT_WR)  # that of ssl ends TLS, and what follows is no TLS
        for _ in range(16):
            connection.recv(65536)


def test_the_client_reads_the_refusal(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki", datetime.now(UTC))
    worker = store.files(STANDARD[1])
    context = tls.ClientContexts().get(ServerRole.API, store.ca_certificate, worker.certificate, worker.key)
    context.check_hostname = False  # this PKI has no name of this host
    server = tls.ServerContexts(make_settings(api_use_tls="true", pki_dir=store.root)).get()
    listener = socket.create_server(("127.0.0.1", 0))
    base = f"https://127.0.0.1:{listener.getsockname()[1]}"
    thread = Thread(target=refuse, args=(listener, server))
    thread.start()
    pool = HttpPool(base, context_now=lambda: context, connect_s=60, answer_s=60, most_idle=1)
    assert pool.exchange("POST", "/", BODY, {}).status_code == 413
    thread.join()
