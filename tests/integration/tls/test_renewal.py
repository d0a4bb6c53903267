"""A renewal costs the API no connection, and a broken file never takes its place."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.integration.tls.conftest import Caller, Served
from tests.integration.workers.site import eventually

CLIENTS = 3
# Between two calls of a client: without it three clients take all of the processor that the renewals need.
EVERY_S = 0.01


def _served(caller: Caller) -> bytes:
    """The certificate that the API presents now (DER)."""
    with (
        socket.create_connection(("127.0.0.1", caller.port), 60) as raw,
        caller.context().wrap_socket(raw, server_hostname="127.0.0.1") as secured,
    ):
        found = secured.getpeercert(binary_form=True)
    assert found
    return found


class Load:
    """Clients that connect again for every call, until they are stopped."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stop = Event()
        self.good = 0
        self.failures: list[str] = []

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            try:
                assert self._caller.call("GET", "/health")[0] == 200
                self.good += 1
            except Exception as error:  # noqa: BLE001 - whatever a client meets is a failed connection
                self.failures.append(repr(error))

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [Thread(target=self._run) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(60)


@pytest.mark.parametrize("arguments", [["--force"], ["--force", "--rekey"]])
def test_a_renewal_under_load_fails_no_connection(strict: Served, arguments: Sequence[str]) -> None:
    caller = strict.by("worker")
    before, load = _served(caller), Load(caller)
    with load.running():
        for _ in range(3):
            strict.site.stack.command("pki", "renew", "api", *arguments)
        eventually(lambda: load.good > 50, 60, "the clients connect")
    assert load.failures == []
    assert load.good > 50, "there was no load to speak of"
    assert _served(caller) != before, "the renewed certificate is not in force"


@pytest.mark.parametrize("name", ["api/api-cert.pem", "api/api-key.pem", "ca/ca-cert.pem", "ca/ca-crl.pem"])
@pytest.mark.parametrize("content", [b"", b"no PEM at all", None])
def test_with_a_broken_file_the_last_good_one_stays_in_force(strict: Served, name: str, content: bytes | None) -> None:
    path, caller = strict.site.store.root / name, strict.by("worker")
    context_made_before = caller.context()
    before, good = _served(caller), path.read_bytes()
    _replace(path, content)
    try:
        with (
            socket.create_connection(("127.0.0.1", caller.port), 60) as raw,
            context_made_before.wrap_socket(raw, server_hostname="127.0.0.1") as secured,
        ):
            assert secured.getpeercert(binary_form=True) == before
    finally:
        path.write_bytes(good)
    assert _served(caller) == before


def _replace(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
