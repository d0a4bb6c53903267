"""gunicorn's gevent worker, with a deadline and a bound for whatever a client can make it wait for."""

import contextlib
import resource
import time
from functools import partial
from typing import Any

import gevent
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn import util
from gunicorn.workers.ggevent import GeventWorker

from bringup.backoff import between
from bringup.serving import connections, tls_connections, work_slots
from bringup.settings import Settings

# A connection that waits costs a descriptor and some 50 KiB. 4,096 is forty times what 10 requests a second keep open
# at the default deadlines, and most systems let a process have so many descriptors.
_MOST_CONNECTIONS = 4096
# For Redis connections, images, log files, pipes of commands.
_OTHER_DESCRIPTORS = 512
# Between two looks at the deadlines: they are in seconds, so one second late is early enough.
_TICK_S = 1.0


class Worker(GeventWorker):
    """Thousands of connections wait here at the price of a greenlet each, which no thread does.

    gunicorn waits for ever for a handshake, a body, and a client that takes nothing; and it keeps the TLS context
    that it began with. This asks for the context at each connection, and leaves the clock to `ClientConnections`.
    """

    app: Any  # bringup.serving.server.HttpServer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings: Settings = self.app.settings
        self._header_s = settings.api_header_timeout_s
        self._clients = connections.ClientConnections(_most_connections(), settings.api_connections_per_address)

    def load_wsgi(self) -> None:
        """The application, behind its slots."""
        super().load_wsgi()
        settings: Settings = self.app.settings
        self._tls = tls_connections.TlsConnections(self.cfg, settings, self._clients) if self.cfg.is_ssl else None
        slots = work_slots.WorkSlots(
            self.wsgi,
            self._clients,
            most=settings.api_threads,
            header_s=self._header_s,
            stall_s=settings.api_stall_timeout_s,
        )
        self.wsgi: Any = work_slots.after_its_body(slots, self._header_s)

    def run(self) -> None:
        """Serve until a signal to stop; then finish what is under way."""
        # Above the limit: `ClientConnections` closes the oldest connection; a full pool would not accept the newest.
        pool = Pool(_most_connections() + self.cfg.backlog)
        servers = [self._listening(listener, pool) for listener in self.sockets]
        self.app.notifier.ready()
        while self.alive:
            self.notify()
            self.app.notifier.beat()
            self._clients.close_overdue()
            if self._tls:
                self._tls.close_refused()
            gevent.sleep(_TICK_S)
        for server in servers:
            server.close()
        self._finish(pool)

    def _listening(self, listener: Any, pool: Pool) -> StreamServer:
        # gunicorn creates its listeners non-blocking.
        listener.setblocking(1)
        server = StreamServer(listener, handle=partial(self._serve, listener), spawn=pool)
        if self.cfg.workers > 1:
            server.max_accept = 1  # so that one process does not take them all
        server.start()
        return server

    def _finish(self, pool: Pool) -> None:
        """Requests under way are answered; connections without one are closed at once."""
        deadline = time.monotonic() + self.cfg.graceful_timeout
        self._clients.close_waiting()
        while not pool.join(timeout=_TICK_S) and time.monotonic() < deadline:
            self.notify()

    def _serve(self, listener: Any, sock: Any, address: Any) -> None:
        """One connection, in its own greenlet."""
        with self._clients.connected(sock.fileno(), str(address[0]), self._spread_header_s()) as client:
            ready = self._tls.secured(sock, client) if self._tls else sock
            if ready:
                self._clients.expect(client, self._spread_header_s())
                self.handle(listener, ready, address)

    def _spread_header_s(self) -> float:
        """From half of the limit to all: clients that came together must not be closed, and back, together."""
        return between(self._header_s / 2, self._header_s)

    def handle_quit(self, sig: Any, frame: Any) -> None:
        """Stop at SIGINT as at SIGTERM; gunicorn's own ends a greenlet by SystemExit, which prints a traceback."""
        self.handle_exit(sig, frame)

    def timeout_ctx(self) -> Any:
        """gunicorn's own deadline for a header; ours covers it."""
        return contextlib.nullcontext()

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> bool:
        """As gunicorn: the header is here; the body must begin in the same time, and afterwards the next header."""
        client: connections.ClientConnection = self._clients.of(sock.fileno())
        self._clients.expect(client, self._header_s + _TICK_S)
        response: Any = ResponseSocket(sock)
        try:
            is_handled = super().handle_request(listener_name, req, response, addr)
        except StopIteration:
            response.flush()
            util.close_graceful(
                sock, tls_connections.LINGER_S
            )  # closing with unread bytes of a body would destroy the response (RST)
            raise
        else:
            response.flush()
            return is_handled
        finally:
            self._clients.expect(client, self._spread_header_s())


class ResponseSocket:
    """A socket that sends the header of one response together with the first part of its body.

    gunicorn sends them apart: two system calls, two TLS records, and a client that wakes twice.

    Args:
        sock: of the connection; all else that is asked of it is as before.
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._header: bytes | None = None  # held back; empty when it was sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def sendall(self, data: bytes) -> None:
        """Send the data, after the header; the header itself is the first."""
        if self._header is None:
            self._header = data
            return
        header, self._header = self._header, b""
        self._sock.sendall(header + data if header else data)

    def sendfile(self, *args: Any, **kwargs: Any) -> Any:
        """Send a file, after the header."""
        self.flush()
        return self._sock.sendfile(*args, **kwargs)

    def shutdown(self, how: int) -> None:
        """Shut the connection down; a header that is held back would meet a closed socket."""
        self._header = b""
        self._sock.shutdown(how)

    def flush(self) -> None:
        """Send a header that no body has followed."""
        if self._header:
            self.sendall(b"")


def _most_connections() -> int:
    """As many as the descriptors allow, of which we take what we may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_CONNECTIONS + _OTHER_DESCRIPTORS
    if soft < wanted <= hard or soft < hard < wanted:
        soft = min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # Half at least: where descriptors are few, connections and all else share them.
    return min(_MOST_CONNECTIONS, max(soft - _OTHER_DESCRIPTORS, soft // 2))
