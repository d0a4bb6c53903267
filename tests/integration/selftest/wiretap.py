"""A TCP proxy that remembers every byte that goes through, in both directions."""

import contextlib
import socket
from threading import Thread


class Wiretap:
    """Listens on a free loopback port, and passes on to another."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.heard: list[bytes] = []
        Thread(target=self._accept, daemon=True).start()

    def everything(self) -> bytes:
        return b"".join(self.heard)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                Thread(target=self._connect, args=(caller,), daemon=True).start()

    def _connect(self, caller: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._to), 10)
        except OSError:
            caller.close()
            return
        server.settimeout(None)
        Thread(target=self._pass_on, args=(caller, server), daemon=True).start()
        self._pass_on(server, caller)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.heard.append(data)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
