"""A connection lasts no longer than the trust in its client: not past a revocation, an end of validity, another CA."""

import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pki.authority import Authority, pem
from pki.names import Identity, Role
from tests.integration.selftest.bad import Mint, Pair
from tests.integration.selftest.site import Site
from tests.integration.tls.conftest import PREFIX, Caller, Served

KEEP_ALIVE_S = 300  # a connection that is silent for so long ends by itself, and some of these are silent
BAR_S = 60.0  # for what takes one or two seconds on a machine that does not stall
OFTEN_S = 0.2
# Lives of certificates: with the first one, a machine that stalls may come too late.
LIVES_S = (3, 10, 30, 90)


class KeptAlive:
    """One connection, used again and again."""

    def __init__(self, caller: Caller) -> None:
        self._connection = http.client.HTTPSConnection("127.0.0.1", caller.port, timeout=60, context=caller.context())
        self._connection.connect()
        self._sock = self._connection.sock

    def call(self) -> int:
        """The status. Raises OSError or HTTPException once the connection has ended."""
        assert self._connection.sock is self._sock, "it would connect again"
        self._connection.request("GET", f"{PREFIX}/health")
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def ends_within(self, seconds: float) -> bool:
        """Whether calls stop being answered on it."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                assert self.call() == 200
            except (OSError, http.client.HTTPException):
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(OFTEN_S)

    def close(self) -> None:
        self._connection.close()


@contextmanager
def kept_alive(caller: Caller) -> Iterator[KeptAlive]:
    connection = KeptAlive(caller)
    try:
        assert connection.call() == 200
        yield connection
    finally:
        connection.close()


@pytest.fixture(scope="module")
def strict(site: Site) -> Iterator[Served]:
    """API_REQUIRE_CLIENT_CERT=true, which keeps silent connections."""
    variables = {"API_REQUIRE_CLIENT_CERT": "true", "API_HEADER_TIMEOUT_S": str(KEEP_ALIVE_S)}
    with site.api(**variables) as changes:
        yield Served(site, int(str(changes["callback_api_port"])))


def caller_with(served: Served, folder: Path, pair: Pair) -> Caller:
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(pair.certificate)
    key.write_bytes(pair.key)
    by = served.by("worker")
    return Caller(by.ca, by.port, by.token, cert, key)


def mint(served: Served) -> Mint:
    return Mint(served.site.store, Identity(Role.WORKER, "worker"))


@pytest.mark.parametrize("busy", [True, False])
def test_a_revocation_ends_the_open_connections_of_its_client_and_no_others(strict: Served, busy: bool) -> None:  # noqa: FBT001
    name = f"leaver-{busy}".lower()
    strict.site.stack.command("pki", "issue", "operator", "--name", name)
    caller = strict.by("operator", name)
    context = caller.context()
    session = answered(caller, context, None)[1]
    assert answered(caller, context, session)[2], "there is nothing to resume"
    with kept_alive(caller) as revoked, kept_alive(strict.by("worker")) as other:
        strict.site.stack.command("pki", "revoke", name)
        if busy:
            assert revoked.ends_within(BAR_S)
        else:
            assert ended_by_the_server(revoked, BAR_S)
        assert other.call() == 200
    assert answered(caller, context, None)[0] == b"", "it may come back"
    assert answered(caller, context, session)[0] == b"", "it may resume its session"


def ended_by_the_server(connection: KeptAlive, seconds: float) -> bool:
    """Without a call on it."""
    sock = connection._sock
    sock.settimeout(seconds)
    try:
        return sock.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_a_certificate_that_runs_out_ends_its_open_connections(strict: Served, tmp_path: Path) -> None:
    for ends, caller in ending_soon(strict, tmp_path):
        connection = KeptAlive(caller)
        if connection.ends_within(0.0) and datetime.now(UTC) > ends:
            continue  # before its first call
        assert connection.ends_within(LIVES_S[-1] + BAR_S)
        connection.close()
        assert datetime.now(UTC) > ends, "it ended for another reason"
        return
    pytest.fail("no certificate lived until it was shown")


def ending_soon(served: Served, folder: Path) -> Iterator[tuple[datetime, Caller]]:
    """Callers whose certificates end, and when; each lives longer than the one before."""
    for life_s in LIVES_S:
        ends = (datetime.now(UTC) + timedelta(seconds=life_s)).replace(microsecond=0)  # they count whole seconds
        yield ends, caller_with(served, folder, mint(served).ending(ends))


def test_a_session_is_not_resumed_past_the_end_of_its_certificate(strict: Served, tmp_path: Path) -> None:
    """OpenSSL does not look at the certificate again when it resumes a session."""
    for ends, caller in ending_soon(strict, tmp_path):
        context = caller.context()
        session = answered(caller, context, None)[1]
        status, _, reused = answered(caller, context, session)
        if datetime.now(UTC) < ends:
            assert (status, reused) == (b"200", True), "there is nothing to guard"
            time.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()) + 1)
            assert answered(caller, context, session)[0] != b"200"
            return
    pytest.fail("no certificate lived until it was shown twice")


def answered(
    caller: Caller, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[bytes, ssl.SSLSession | None, bool | None]:
    """Status, session, and whether it was resumed."""
    head = f"GET {PREFIX}/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {caller.token}\r\nConnection: close\r\n\r\n"
    with (
        socket.create_connection(("127.0.0.1", caller.port), 60) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1", session=session) as secured,
    ):
        try:
            secured.sendall(head.encode())
            answer = secured.recv(4096)
        except OSError:
            answer = b""
        return answer[9:12], secured.session, secured.session_reused


def another_ca() -> bytes:
    return pem(Authority.new(30, datetime.now(UTC)).certificate)


def test_a_ca_that_is_no_longer_trusted_ends_the_connections_of_its_clients(strict: Served) -> None:
    worker = strict.by("worker")
    with kept_alive(worker) as connection:
        with strict.site.files({"ca/ca-cert.pem": another_ca()}):
            ended = connection.ends_within(BAR_S)
        assert ended
    assert worker.call("GET", "/runs")[0] == 200
