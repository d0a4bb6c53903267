"""The connection to one BMC: its certificate checked, one login, and nothing sent to anybody else.

Reads are tried again by themselves: BMCs drop connections and answer 503 between two good answers, and a read
changes nothing. A write is sent once. Whether it may be sent again is the job's decision, which looks first.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from sushy.connector import Connector
from sushy.exceptions import ConnectionError as NoAnswer

from bringup.bmc_address import system_key
from bringup.errors import BmcRejected, PermitExpired
from bringup.model import FailureReason
from bringup.settings import Settings
from workers.permit import Permit
from workers.redfish.address import BmcAddress
from workers.redfish.errors import is_hopeless
from workers.redfish.gate import Gate
from workers.redfish.refusal import Refusal, raise_for_refusal
from workers.redfish.resource import Resource, local_path
from workers.redfish.tls import adapter_of, verify_of

# A BMC that restarts a service of its own is back within seconds; one that is away is the job's retry.
READ_TRIES = 3
_READ_PAUSE_S = 1.0
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_ABSENT = frozenset({404, 405, 410, 501})
# The longest collections that are read, of network ports on a large machine, have some dozen members.
_MOST_MEMBERS = 256
_MOST_PAGES = 32

Sleep = Callable[[float], None]


class RedfishConnection:
    """One BMC.

    Args:
        address: on record; it may carry the path of one system.
    """

    def __init__(self, address: BmcAddress, settings: Settings, *, sleep: Sleep = time.sleep) -> None:
        parts = urlsplit(address.bmc or "")
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.system_path = parts.path if system_key(parts.path) else None
        self.gate = Gate()
        self.door = _Door(self.base, address, settings, self.gate)
        self.sleep = sleep
        self._ahead: dict[str, Resource] = {}
        self._off_limits: frozenset[str] = frozenset()
        self._budget_s = 2.0 * settings.bmc_read_timeout_s  # of one read: a timeout is tried again once

    def get(self, path: str) -> Resource:
        """The resource at ``path``.

        Raises:
            Refusal, NoAnswer: after the last try.
            ValueError: what came is not a JSON object, after the last try.
        """
        started = time.monotonic()
        for number in range(1, READ_TRIES + 1):
            try:
                return self._read(path)
            except (Refusal, NoAnswer, ValueError) as error:
                if number == READ_TRIES or time.monotonic() - started > self._budget_s or not _may_pass(error):
                    raise
            self.sleep(_READ_PAUSE_S)
        raise AssertionError("the last try returns or raises")

    def connect(self) -> None:
        """Have a connection ready, so that the next request can be sent at once. Raises NoAnswer."""
        self.door.connect()

    @contextmanager
    def writing(self, permit: Permit) -> Iterator[None]:
        """Writes are sent inside, and only while ``permit`` holds; outside nothing but reads is.

        Raises:
            PermitExpired: it has run out; the request was not sent.
        """
        with self.gate.writing(permit):
            yield

    def get_ahead(self, path: str) -> Resource:
        """As `get`, for the write that follows: what was read for one whose permit ran out is not read again."""
        if path not in self._ahead:
            self._ahead[path] = self.get(path)
        return self._ahead[path]

    def keep_off(self, systems: Iterable[str]) -> None:
        """From now on write to nothing of the systems at these paths, wherever a link or an action leads."""
        self._off_limits = frozenset(map(system_key, systems))

    def find_ahead(self, path: str | None) -> Resource | None:
        """As `get_ahead`; None where the BMC has no such resource."""
        if path is None:
            return None
        return _or_none(lambda: self.get_ahead(path))

    def find(self, path: str | None) -> Resource | None:
        """As `get`; None where the BMC has no such resource."""
        if path is None:
            return None
        return _or_none(lambda: self.get(path))

    def members(self, path: str | None) -> list[Resource]:
        """The members of a collection, over all of its pages; those that are not there are left out."""
        return [found for member in self.member_paths(path) if (found := self.find(member))]

    def post(self, path: str, body: Mapping[str, Any] | None) -> requests.Response:
        """Send an action, once. Raises Refusal, NoAnswer, PermitExpired; BmcRejected: it leads to another system."""
        return self._write("POST", path, body, {})

    def patch(self, path: str, body: Mapping[str, Any], *, etag: str | None = None) -> requests.Response:
        """Change a resource, once. Raises as `post`."""
        return self._write("PATCH", path, body, {"If-Match": etag} if etag else {})

    def close(self) -> None:
        """Close the sockets."""
        self.door.close()

    def _read(self, path: str) -> Resource:
        answer = self.door.get(path)
        body = answer.json()
        if not isinstance(body, dict):
            raise ValueError("the answer is not a JSON object")  # noqa: TRY004 - a defect of the BMC, not of our call
        return Resource(path, body, answer.headers.get("ETag") or Resource(path, body).text("@odata.etag") or None)

    def _write(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: dict[str, str]
    ) -> requests.Response:
        self._refuse_off_limits(path)
        try:
            answer: requests.Response = self.door.send(method, path, body, headers)
        except PermitExpired:  # not sent: what was read for it still holds
            raise
        except Exception:
            self._ahead.clear()
            raise
        self._ahead.clear()
        return answer

    def _refuse_off_limits(self, path: str) -> None:
        there = f"{system_key(path)}/"
        if any(there.startswith(f"{system}/") for system in self._off_limits):
            message = f"a link of the BMC at {self.base} leads to another system, {path}: nothing is written there"
            raise BmcRejected(message, reason=FailureReason.WRONG_MACHINE)

    def member_paths(self, path: str | None) -> Iterator[str]:
        """The paths of a collection's members, over all of its pages, each once."""
        seen: set[str] = set()
        for _ in range(_MOST_PAGES):
            page = self.find(path)
            if page is None:
                return
            for member in page.links("Members"):
                if member not in seen and len(seen) < _MOST_MEMBERS:
                    seen.add(member)
                    yield member
            # Source: DSP0266 s.7.7.1 (Members@odata.nextLink).
            path = page.link("Members@odata.nextLink") or page.link("@odata.nextLink")


def _or_none(read: Callable[[], Resource]) -> Resource | None:
    try:
        return read()
    except Refusal as refusal:
        if refusal.status_code in _ABSENT:
            return None
        raise


def _may_pass(error: Exception) -> bool:
    if isinstance(error, Refusal):
        return error.status_code in _PASSING
    return not is_hopeless(error)


class _Door(Connector):  # type: ignore[misc]
    """sushy's connector that speaks to one address only, and sends everything once.

    sushy would repeat a request that got no answer; a power switch must not come twice, or late. Its reading of
    refusals is replaced by `Refusal`, before it acts on its own.
    """

    def __init__(self, base: str, address: BmcAddress, settings: Settings, gate: Gate) -> None:
        super().__init__(
            base,
            verify=verify_of(address),
            response_callback=raise_for_refusal,
            server_side_retries=1,  # 0 means three to it
            default_request_timeout=settings.bmc_read_timeout_s,
            connect_timeout=settings.bmc_connect_timeout_s,
        )
        self._session.headers["User-Agent"] = "bringup"  # a BMC's log says who wrote to it
        self._session.trust_env = False  # no proxies, no netrc, no CA bundle from the environment
        self._session.max_redirects = 0  # a redirect would carry the session elsewhere
        self._session.adapters.clear()
        self._base = base
        self._adapter = adapter_of(address, settings.bmc_read_timeout_s, gate)
        self._session.mount(f"{base}/", self._adapter)

    def connect(self) -> None:
        """Connect ahead of the next request. Raises NoAnswer."""
        try:
            self._adapter.connect(f"{self._base}/", verify=self._verify, connect_s=self._connect_timeout)
        except requests.RequestException as error:
            raise NoAnswer(url=self._base, error=error) from error

    def send(self, method: str, path: str, body: Mapping[str, Any] | None, headers: dict[str, str]) -> Any:
        """One request. Not sushy's `patch`: after a 412 that one sends again by itself."""
        return self._op(method, path, data=None if body is None else dict(body), headers=headers)

    def forget(self) -> None:
        """Send no login of any kind from now on."""
        self._session.auth = None
        self._session.headers.pop("X-Auth-Token", None)

    def _op(self, method: str, path: str = "", **kwargs: Any) -> Any:
        """Whatever host a link of the BMC names, only its path counts."""
        kwargs |= {"server_side_retries_left": 0, "allow_reauth": False}
        return super()._op(method, local_path(path) or "/", **kwargs)
