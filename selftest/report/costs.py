"""What TLS costs on this host: measured, plain against TLS, in one run.

Both servers are our own, on loopback ports of this process, and live for this measurement alone; the certificates are
of a PKI that is made for it. So the difference is that of TLS, and the network, Redis and the API have no part in it.
The real servers are measured besides, as the flags are now.
"""

import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from statistics import median
from threading import Thread

from pydantic import BaseModel, ConfigDict, Field

from bringup import errors, model, tls
from bringup.connections.redis_client import redis_errors
from bringup.peer_role import ServerRole
from bringup.settings import Settings
from bringup.wire.message import Health
from pki.names import Identity, Role, parse_san
from pki.session import CaSession
from pki.setup import Wanted, set_up
from pki.store import Store
from selftest.probe import TlsContext
from selftest.report.markup import table
from selftest.target_installation import TargetInstallation

_LOOPBACK = "127.0.0.1"
# About as many as RQ makes in Redis for one job: to enqueue it, take it, start it, keep it alive and finish it.
CALLS_OF_A_JOB = 20
_PAYLOAD = b"x" * 1024  # about the size of a job or of a run in Redis
# Of each kind of measurement: a median of hundreds is steady on a busy host, and there are five kinds.
_ROUNDS, _BUDGET_S = 1000, 0.5
# A connection to ourselves answers in less than a millisecond, on a busy host in some hundred.
_TIMEOUT_S = 2.0
_HOW = (
    "Medians in milliseconds, measured in this run on this host, client and server together: two servers of the "
    "self-test's own on loopback ports, one with mutual TLS and one without, so that the difference is that of TLS. "
    "Besides, the real servers as the flags are now."
)

Call = Callable[[], None]


class Cost(BaseModel):
    """The median of one kind of measurement, in milliseconds."""

    model_config = ConfigDict(frozen=True)

    what: str
    plain_ms: float | None = Field(description="null: there is no such server")
    tls_ms: float | None = Field(description="null: there is no such server")


def section(costs: tuple[Cost, ...]) -> list[str]:
    """The section of the report."""
    lines = ["", "## What TLS costs here", ""]
    if not costs:
        return [*lines, "Not measured in this run: `bringup selftest --measure`, or `--output markdown`."]
    rows = ((one.what, _text(one.plain_ms), _text(one.tls_ms), _difference(one)) for one in costs)
    return [
        *lines,
        _HOW,
        *table(("what", "plain", "TLS", "TLS costs"), rows),
    ]


def as_text(costs: tuple[Cost, ...]) -> list[str]:
    """A line for each cost, for a terminal."""
    return [
        f"{one.what}: "
        + ", ".join(
            f"{how} {ms:.2f} ms" for how, ms in (("plain", one.plain_ms), ("TLS", one.tls_ms)) if ms is not None
        )
        for one in costs
    ]


def measure(target: TargetInstallation) -> tuple[Cost, ...]:
    """The costs on this host, within a few seconds; empty where they cannot be measured: no port, no disk, no time."""
    if time.monotonic() > target.deadline:
        return ()  # something hangs: the self-test has used up its time
    try:
        return (*_loopback(target.settings), *_real(target))
    except (OSError, errors.BringupError):
        return ()


def _loopback(settings: Settings) -> Iterator[Cost]:
    with ExitStack() as stack:
        server, client = _contexts(settings, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bringup-"))))
        ports = [stack.enter_context(_echo(context)) for context in (None, server)]
        pairs = [(ports[0], None), (ports[1], client)]
        yield _cost("open a connection, to the first answer", [_opening(*pair) for pair in pairs])
        opened = [stack.enter_context(closing(_connected(*pair))) for pair in pairs]
        yield _cost("one call of 1 KiB on an open connection", [_calling(one, 1) for one in opened])
        yield _cost(f"one job: {CALLS_OF_A_JOB} calls", [_calling(one, CALLS_OF_A_JOB) for one in opened])


def _cost(what: str, calls: list[Call]) -> Cost:
    """Plain and TLS by turns, so that what else the host does slows down both."""
    seconds = _by_turns(calls)
    return Cost(what=what, plain_ms=_ms(seconds[0]), tls_ms=_ms(seconds[1]))


def _by_turns(calls: list[Call]) -> list[float]:
    found: list[list[float]] = [[] for _ in calls]
    end = time.monotonic() + _BUDGET_S
    while len(found[0]) < _ROUNDS and (time.monotonic() < end or not found[0]):
        for call, seconds in zip(calls, found, strict=True):
            started = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - started)
    return [median(seconds) for seconds in found]


def _real(target: TargetInstallation) -> Iterator[Cost]:
    """New connections of our clients to the real servers; those that do not answer are left out."""
    for server, what, call in (
        (target.redis, "Redis: connect, log in, PING", _redis_call(target)),
        (target.api, "the API: connect, GET /health", _api_call(target)),
    ):
        if server.blocker:
            continue
        target.deadline = time.monotonic() + _TIMEOUT_S
        with suppress(errors.BringupError):
            found = _ms(_by_turns([call])[0])
            yield Cost(
                what=f"real: {what}",
                plain_ms=None if server.use_tls else found,
                tls_ms=found if server.use_tls else None,
            )


def _redis_call(target: TargetInstallation) -> Call:
    def call() -> None:
        with redis_errors(target.settings), closing(target.redis_client()) as redis:
            redis.ping()

    return call


def _api_call(target: TargetInstallation) -> Call:
    def call() -> None:
        target.api_client().get("/health", Health)

    return call


def _opening(port: int, context: TlsContext | None) -> Call:
    def call() -> None:
        with closing(_connected(port, context)) as connection:
            _exchange(connection, b"x")

    return call


def _calling(connection: socket.socket, times: int) -> Call:
    def call() -> None:
        for _ in range(times):
            _exchange(connection, _PAYLOAD)

    return call


def _exchange(connection: socket.socket, payload: bytes) -> None:
    connection.sendall(payload)
    missing = len(payload)
    while missing:
        received = len(connection.recv(missing))
        if not received:
            raise ConnectionResetError("the server of the measurement has closed the connection")
        missing -= received


def _connected(port: int, context: TlsContext | None) -> socket.socket:
    raw = socket.create_connection((_LOOPBACK, port), _TIMEOUT_S)
    _send_at_once(raw)
    return context.wrap_socket(raw, server_hostname=_LOOPBACK) if context else raw


def _send_at_once(connection: socket.socket) -> None:
    """As Redis and our clients do: else a short answer waits 40 ms for the other side. Source: RFC 9293 s.3.7.4."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@contextmanager
def _echo(context: TlsContext | None) -> Iterator[int]:
    """A server that sends back what it gets; yields its port."""
    with socket.create_server((_LOOPBACK, 0)) as listener:
        Thread(target=_accept, args=(listener, context), daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() alone does not


def _accept(listener: socket.socket, context: TlsContext | None) -> None:
    with suppress(OSError):  # the measurement is over
        while True:
            raw = listener.accept()[0]
            raw.settimeout(_TIMEOUT_S)
            _send_at_once(raw)
            Thread(target=_serve, args=(raw, context), daemon=True).start()


def _serve(raw: socket.socket, context: TlsContext | None) -> None:
    with suppress(OSError), raw:
        connection = context.wrap_socket(raw, server_side=True) if context else raw
        with connection:
            while received := connection.recv(len(_PAYLOAD)):
                connection.sendall(received)


def _contexts(settings: Settings, folder: Path) -> tuple[TlsContext, TlsContext]:
    """The contexts of the API and of a worker, as the services build them, by a PKI of this measurement."""
    api, worker = Identity(Role.API, "api"), Identity(Role.WORKER, "worker")
    store = Store(folder / "pki")
    with CaSession.open(store, "measure", model.utc_now(), init=True) as session:
        set_up(session, [Wanted(api, (parse_san(_LOOPBACK),)), Wanted(worker)])
    elsewhere = dict.fromkeys(("api_tls_cert", "api_tls_key", "api_tls_ca", "api_tls_crl"))
    ours = settings.model_copy(update={"pki_dir": store.root, "api_require_client_cert": True, **elsewhere})
    files = store.files(worker)
    client = tls.ClientContexts().get(ServerRole.API, store.ca_certificate, files.certificate, files.key)
    return tls.ServerContexts(ours).get(), client


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _text(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:.2f}"


def _difference(one: Cost) -> str:
    return "-" if one.plain_ms is None or one.tls_ms is None else f"{one.tls_ms - one.plain_ms:+.2f}"
