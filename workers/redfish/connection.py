"""The connection to one BMC: its certificate checked, one session, and nothing sent to anybody else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr
from sushy import Sushy
from sushy.auth import SessionAuth
from sushy.connector import Connector
from sushy.exceptions import ConnectionError as SushyConnectionError
from sushy.resources.system.system import System

from bringup import log
from bringup.errors import BmcRejected, BmcUnavailable
from bringup.model import FailureReason
from bringup.settings import Settings
from bringup.wire import Run
from workers.credentials import Credential
from workers.permit import Permit
from workers.redfish.errors import redfish_errors
from workers.redfish.gate import Gate
from workers.redfish.trust import adapter_of, verify_of


class RedfishConnection:
    """Opened by `system`, closed by `close`; both may be called at any time.

    Args:
        run: its `bmc` is the address on record, which may carry the path of one system.
    """

    def __init__(self, run: Run, credential: Credential, settings: Settings) -> None:
        address = urlsplit(run.bmc or "")
        self.base = f"{address.scheme}://{address.netloc}"
        self._system_path = address.path.rstrip("/") or None
        self._gate = Gate()
        self._door = _Door(self.base, run, settings, self._gate)
        self._login = _Login(credential.username, credential.password)

    def system(self) -> System:
        """The system behind this BMC, after logging in. Raises SushyError."""
        with self._gate.login():
            root = Sushy(self.base, auth=self._login, connector=self._door)
        return root.get_system(self._system_path)

    def connect(self) -> None:
        """Have a connection ready, so that the next request can be sent at once. Raises SushyError."""
        self._door.connect()

    @contextmanager
    def writing(self, permit: Permit) -> Iterator[None]:
        """Writes are sent inside, and only while ``permit`` holds; outside nothing but reads is.

        Raises:
            PermitExpired: it has run out; the request was not sent.
        """
        with self._gate.writing(permit):
            yield

    def close(self) -> None:
        """Log out. A BMC that cannot even do that ends the session by its own timeout."""
        try:
            with redfish_errors(self.base, "log out", refused=FailureReason.BMC_UNREACHABLE), self._gate.login():
                self._login.close()
        except (BmcRejected, BmcUnavailable) as error:
            log.get("workers").warning("could not log out of the BMC", bmc=self.base, why=str(error))
        self._door.close()


class _Door(Connector):  # type: ignore[misc]
    """sushy's connector that speaks to one address only, and says everything once.

    sushy would repeat a request that got no answer; a power switch must not come twice, or late. Repeating is
    the job's affair, which looks at the machine again before.
    """

    def __init__(self, base: str, run: Run, settings: Settings, gate: Gate) -> None:
        super().__init__(
            base,
            verify=verify_of(run),
            server_side_retries=1,  # 0 means three to it
            default_request_timeout=settings.bmc_read_timeout_s,
            connect_timeout=settings.bmc_connect_timeout_s,
        )
        self._session.headers["User-Agent"] = "bringup"  # a BMC's log says who wrote to it
        self._session.trust_env = False  # no proxies, no netrc, no CA bundle from the environment
        self._session.max_redirects = 0  # a redirect would carry the session elsewhere
        self._session.adapters.clear()
        self._base = base
        self._adapter = adapter_of(run, settings.bmc_read_timeout_s, gate)
        self._session.mount(f"{base}/", self._adapter)

    def connect(self) -> None:
        """Connect ahead of the next request. Raises sushy's ConnectionError."""
        try:
            self._adapter.connect(f"{self._base}/", verify=self._verify, connect_s=self._connect_timeout)
        except requests.RequestException as error:
            raise SushyConnectionError(url=self._base, error=error) from error

    def _op(self, method: str, path: str = "", **kwargs: Any) -> Any:
        """Whatever host a link of the BMC names, only its path counts."""
        target = urlsplit(str(path))  # a BMC may put anything in its place
        local = "/" + target.path.lstrip("/") + (f"?{target.query}" if target.query else "")
        kwargs |= {"server_side_retries_left": 0, "allow_reauth": False}
        return super()._op(method, local, **kwargs)


class _Login(SessionAuth):  # type: ignore[misc]
    """A session where the BMC has them, else Basic; a refused password is never tried a second time.

    Source: DSP0266 s.13.3 (authentication).
    """

    def __init__(self, username: str, password: SecretStr) -> None:
        super().__init__(username, password.get_secret_value())

    def _do_authenticate(self) -> None:
        if "Sessions" in (self._root_resource.json.get("Links") or {}):
            super()._do_authenticate()
        else:
            self._connector.set_http_basic_auth(self._username, self._password)
