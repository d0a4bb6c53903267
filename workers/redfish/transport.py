"""How requests reach a BMC: to one address, over a checked certificate, and with answers within limits.

A BMC whose answer never ends must block no worker, nor fill its memory.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter
from sushy.connector import Connector
from sushy.exceptions import ConnectionError as NoAnswer
from urllib3.exceptions import HTTPError

from bringup import errors, log, model
from bringup.settings import Settings
from workers.redfish import refusal, resource
from workers.redfish.gate import SOCKET_OPTIONS, Gate, connect_ahead

# Bytes of one answer, unpacked. The largest real ones, lists of registries and logs, have a tenth of this.
LARGEST_BYTES = 8 * 1024**2
# Bytes that are taken from the socket at a time: the limits are checked after each piece.
_PIECE_BYTES = 64 * 1024


# Is given seconds.
Measured = Callable[[float], None]


class BmcAddress(Protocol):
    """Where a BMC is, and how its certificate is checked: a run or an entry of the inventory. See docs/inventory.md."""

    @property
    def bmc(self) -> str | None:
        """Its URL; may carry the path of one system."""

    @property
    def bmc_ca(self) -> str | None:
        """The file of the CA that signed its certificate."""

    @property
    def bmc_fingerprint(self) -> str | None:
        """SHA-256 of its certificate."""

    @property
    def bmc_verify(self) -> bool:
        """False: any certificate is accepted."""


@dataclass(frozen=True)
class GivenAddress:
    """A `BmcAddress` of the command line."""

    bmc: str
    bmc_ca: str | None = None
    bmc_fingerprint: str | None = None
    bmc_verify: bool = True


def unmeasured(_seconds: float) -> None:
    """Ignore how long a request took."""


class BmcConnector(Connector):  # type: ignore[misc]
    """sushy's connector that connects to one address only, and sends everything once.

    sushy would repeat a request that got no answer; a power switch must not come twice, or late. Its reading of
    refusals is replaced by `BmcRefusal`, before it acts on its own.

    Args:
        base: scheme, host and port of the BMC.
        address: has how its certificate is checked.
        settings: bound each request, in seconds.
        gate: what every request passes.
        measured: is given the seconds until each request was answered, or given up.
    """

    def __init__(
        self, base: str, address: BmcAddress, settings: Settings, gate: Gate, measured: Measured = unmeasured
    ) -> None:
        super().__init__(
            base,
            verify=_verify(address),
            response_callback=refusal.raise_for_refusal,
            server_side_retries=1,  # sushy takes 0 for its default, three
            default_request_timeout=settings.bmc_read_timeout_s,
            connect_timeout=settings.bmc_connect_timeout_s,
        )
        self._session.headers["User-Agent"] = "bringup"  # a BMC's log shows which client has written
        self._session.trust_env = False  # no proxies, no netrc, no CA bundle from the environment
        self._session.max_redirects = 0  # a redirect would carry the session elsewhere
        self._session.adapters.clear()
        self._base = base
        fingerprint = address.bmc_fingerprint
        self._adapter = BoundedAdapter(settings.bmc_read_timeout_s, gate, fingerprint=fingerprint, measured=measured)
        self._session.mount(f"{base}/", self._adapter)

    def connect(self) -> None:
        """Connect ahead of the next request. Raises NoAnswer."""
        try:
            self._adapter.connect(f"{self._base}/", verify=self._verify, connect_s=self._connect_timeout)
        except requests.RequestException as error:
            raise NoAnswer(url=self._base, error=error) from error

    def send(self, method: str, path: str, body: Mapping[str, Any] | None, headers: dict[str, str]) -> Any:
        """Send one request, once. Not by sushy's `patch`: after a 412 that one sends again by itself.

        Args:
            method: of HTTP.
            path: of the resource.
            body: sent as JSON; None: none.
            headers: besides those of the session.
        """
        return self._op(method, path, data=None if body is None else dict(body), headers=headers)

    def forget_login(self) -> None:
        """Send no login of any kind from now on."""
        self._session.auth = None
        self._session.headers.pop("X-Auth-Token", None)

    def _op(self, method: str, path: str = "", **kwargs: Any) -> Any:
        """Only the path of a link counts, whatever host it names."""
        kwargs |= {"server_side_retries_left": 0, "allow_reauth": False}
        return super()._op(method, resource.local_path(path) or "/", **kwargs)


def _verify(address: BmcAddress) -> bool | str:
    """What requests verifies with. A check that is switched off is logged each time, so that nobody forgets it.

    Raises:
        BmcRejected: the CA file cannot be read.
    """
    if not address.bmc_verify:
        log.get("workers").warning("INSECURE: this BMC's certificate is not checked (bmc_verify)", bmc=address.bmc)
        return False
    if address.bmc_fingerprint:
        return False  # the adapter compares the certificate itself, whatever CA has signed it
    if address.bmc_ca and not os.access(address.bmc_ca, os.R_OK):
        message = (
            f"the CA file {address.bmc_ca} of the BMC at {address.bmc} cannot be read; see bmc_ca in the inventory"
        )
        raise errors.BmcRejected(message, reason=model.FailureReason.BMC_AUTH)
    return address.bmc_ca or True


class BoundedAdapter(HTTPAdapter):
    """Gives an answer on only when all of it is there; sends a write only while its permit is valid.

    Args:
        answer_s: seconds for the body of one answer; a read timeout alone allows a byte a minute.
        gate: what every request passes.
        fingerprint: SHA-256 of the only certificate that is accepted; compared before a request is sent.
        measured: is given the seconds until each request was answered, or given up.
    """

    def __init__(
        self, answer_s: float, gate: Gate, *, fingerprint: str | None = None, measured: Measured = unmeasured
    ) -> None:
        self._answer_s = answer_s
        self._gate = gate
        self._fingerprint = fingerprint
        self._measured = measured
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As `HTTPAdapter.init_poolmanager`, with the gate before each request."""
        if self._fingerprint:
            kwargs["assert_fingerprint"] = self._fingerprint
        super().init_poolmanager(*args, socket_options=SOCKET_OPTIONS, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._gate.pools()

    def connect(self, url: str, *, verify: bool | str, connect_s: float) -> None:
        """Connect, with the TLS handshake, and keep the connection for the next request.

        Args:
            url: of the BMC.
            verify: as requests has it.
            connect_s: seconds for the connection and its handshake.

        Raises:
            requests.RequestException: no connection.
        """
        request = requests.Request("GET", url).prepare()
        pool: Any = self.get_connection_with_tls_context(request, verify)
        self.cert_verify(pool, url, verify, None)  # type: ignore[no-untyped-call]
        with _connection_errors():
            connect_ahead(pool, connect_s)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """As `HTTPAdapter.send`. Raises requests.RequestException when an answer is beyond a limit, too."""
        kwargs["stream"] = True
        connect_s, read_s = kwargs["timeout"]
        kwargs["timeout"] = (self._gate.connect_timeout_s(request.method, connect_s), read_s)
        with self._timed():
            # The gate is asked again by the pool, when the connection is ready and the request about to be written.
            with self._gate.request(request.method):
                response = super().send(request, *args, **kwargs)
            try:
                content = self._whole(response)
            finally:
                response.close()
                # We asked for `Connection: close`: nothing more may be sent on it (RFC 9112 s.9.6). urllib3 would, and
                # the write that meets the BMC's close is lost.
                self.poolmanager.clear()
        response._content = content  # noqa: SLF001 - where requests itself keeps what it has read
        return response

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        except errors.PermitExpired:  # nothing was sent
            raise
        except Exception:
            self._measured(time.monotonic() - began)
            raise
        self._measured(time.monotonic() - began)

    def _whole(self, response: requests.Response) -> bytes:
        deadline, content = time.monotonic() + self._answer_s, bytearray()
        while piece := _next_piece(response):
            content += piece
            if len(content) > LARGEST_BYTES:
                raise requests.exceptions.ContentDecodingError(f"its answer is larger than {LARGEST_BYTES} bytes")
            if time.monotonic() > deadline:
                raise requests.exceptions.ReadTimeout(f"its answer did not come whole within {self._answer_s:.0f} s")
        return bytes(content)


def _next_piece(response: requests.Response) -> bytes:
    """What has come, without waiting for more; b"" at the end."""
    with _connection_errors():
        piece: bytes = response.raw.read1(_PIECE_BYTES, decode_content=True)
    return piece


@contextmanager
def _connection_errors() -> Iterator[None]:
    """Translate what urllib3 and the socket raise, as requests would have done."""
    try:
        yield
    except (HTTPError, OSError) as error:
        raise requests.exceptions.ConnectionError(error) from error
