"""Requests over connections that are kept alive: how many a second, and how many for a second of processor time.

The second number does not depend on what else runs on the machine.
"""

import contextlib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from bench.processes import cpu_s
from bringup_cli.demo.stack import Stack

_PATHS = {"health": "/api/v1/health", "runs, from Redis": "/api/v1/runs"}


@click.command()
@click.option("--clients", default=4, show_default=True, help="Connections, each in a process of its own.")
@click.option("--seconds", default=5.0, show_default=True)
@click.option(
    "--rounds", default=3, show_default=True, help="The best of so many is shown: other load only takes away."
)
def main(clients: int, seconds: float, rounds: int) -> None:
    """Measure plain and TLS, and print a table."""
    click.echo("| request | plain, a second | a CPU second | TLS, a second | a CPU second |\n|---|--:|--:|--:|--:|")
    found: dict[str, list[str]] = {name: [] for name in _PATHS}
    for use_tls in (False, True):
        with tempfile.TemporaryDirectory(prefix="bench-") as text:
            folder = Path(text)
            (folder / "devices.toml").touch()
            flags = dict.fromkeys(("REDIS_USE_TLS", "API_USE_TLS"), str(use_tls).lower())
            with Stack(folder, flags) as stack:
                stack.start_redis()
                stack.start("api")
                for name, path in _PATHS.items():
                    rates = [_rates(stack, path, clients, seconds, use_tls=use_tls) for _ in range(rounds)]
                    found[name] += [f"{max(column):.0f}" for column in zip(*rates, strict=True)]
    for name, columns in found.items():
        click.echo(f"| {name} | {' | '.join(columns)} |")


def _rates(stack: Stack, path: str, clients: int, seconds: float, *, use_tls: bool) -> tuple[float, float]:
    """Requests in a second, and in a second of the service's processor time."""
    settings = stack.settings_of("worker")
    token = settings.api_token.get_secret_value() if settings.api_token else ""
    names = ("api_tls_ca", "api_client_cert", "api_client_key") if use_tls else ()
    files = [str(settings.path_of(name)) for name in names]
    command = [sys.executable, __file__, "client", str(settings.callback_api_port), path, token, str(seconds), *files]
    before = cpu_s(stack.pid("api"))
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(clients)]
    rate = sum(float(process.communicate()[0]) for process in processes)
    return rate, rate * seconds / (cpu_s(stack.pid("api")) - before)


def client(port: int, path: str, token: str, seconds: float, *files: str) -> float:
    """Requests a second of one client."""
    sock = socket.create_connection(("127.0.0.1", port))
    if files:
        context = ssl.create_default_context(cafile=files[0])
        context.load_cert_chain(*files[1:])
        sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    started, count = time.monotonic(), 0
    with contextlib.closing(sock):
        while time.monotonic() < started + seconds:
            sock.sendall(request)
            _read_answer(sock)
            count += 1
    return count / seconds


def _read_answer(sock: socket.socket) -> None:
    got = b""
    while b"\r\n\r\n" not in got:
        got += _received(sock)
    head, _, body = got.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode(errors="replace"))
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    while len(body) < length:
        body += _received(sock)


def _received(sock: socket.socket) -> bytes:
    part = sock.recv(65536)
    if not part:
        raise RuntimeError("the connection was closed")
    return part


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        _, _, number, called, bearer, duration, *given = sys.argv
        click.echo(client(int(number), called, bearer, float(duration), *given))
    else:
        main()
