"""Simulated clients that hold connections and send next to nothing, in a process of their own.

``python -m bench.attackers KIND PORT COUNT SECONDS [CA]``; says ``up`` once all were connected.
"""

import asyncio
import contextlib
import ssl
import sys
import time
from collections.abc import Callable, Iterator

_BODY = b"POST /api/v1/runs/guessed/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
_JSON = b"Content-Type: application/json\r\n\r\n"
_EVERY_S = 0.5  # a byte, or another connection in place of a closed one
_HELLO = bytes.fromhex("16030100c8010000c40303")  # the first bytes of a ClientHello


def silence() -> Iterator[bytes]:
    """Nothing at all."""
    yield from ()


def one_byte() -> Iterator[bytes]:
    """The first letter of GET."""
    yield b"G"


def header() -> Iterator[bytes]:
    """A header that never ends, byte by byte."""
    yield b"GET / HTTP/1.1\r\nX: "
    while True:
        yield b"x"


def body(name: bytes) -> Callable[[], Iterator[bytes]]:
    """A body, byte by byte, to a path that was guessed."""

    def sent() -> Iterator[bytes]:
        yield _BODY % name + _JSON
        while True:
            yield b" "

    return sent


def handshake() -> Iterator[bytes]:
    """A handshake that was begun."""
    yield _HELLO


KINDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "no byte": silence,
    "one byte": one_byte,
    "header byte by byte": header,
    "body byte by byte, no token": body(b"report"),
    "body byte by byte, no token needed": body(b"tls-failure"),
    "stalled handshake": handshake,
}
IN_TLS = {"header byte by byte", "body byte by byte, no token", "body byte by byte, no token needed"}


async def attack(kind: str, port: int, count: int, seconds: float, context: ssl.SSLContext | None) -> None:
    """Keep ``count`` connections up for so long."""
    until = time.monotonic() + seconds
    up = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(_one(kind, port, until, context, up)) for _ in range(count)]
    for _ in range(count):
        await up.acquire()
    print("up", flush=True)  # noqa: T201 - what the measuring process waits for
    await asyncio.gather(*tasks)


async def _one(kind: str, port: int, until: float, context: ssl.SSLContext | None, up: asyncio.Semaphore) -> None:
    while time.monotonic() < until:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            up.release()
            try:
                await _hold(kind, reader, writer, until)
            finally:
                writer.transport.abort()
        await asyncio.sleep(_EVERY_S)


async def _hold(kind: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, until: float) -> None:
    """Until the other side ends it."""
    sent = KINDS[kind]()
    while time.monotonic() < until:
        if piece := next(sent, b""):
            writer.write(piece)
            await writer.drain()
        with contextlib.suppress(TimeoutError):
            if not await asyncio.wait_for(reader.read(4096), _EVERY_S):
                return


if __name__ == "__main__":
    made = ssl.create_default_context(cafile=sys.argv[5]) if sys.argv[5:] and sys.argv[1] in IN_TLS else None
    asyncio.run(attack(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), made))
