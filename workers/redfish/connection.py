"""The connection to one BMC: its resources are read and written here, and nothing is sent to another address.

Reads are tried again by themselves: BMCs drop connections and answer 503 between two good answers, and a read
changes nothing. A write is sent once. Whether it may be sent again is the job's decision, which reads the state first.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import requests
from sushy.exceptions import ConnectionError as NoAnswer

from bringup import bmc_address, errors, model
from bringup.settings import Settings
from workers.bmc import Permit
from workers.redfish import error_mapping, gate, transport
from workers.redfish.refusal import BmcRefusal
from workers.redfish.resource import Action, Resource

# Tries of one read, and seconds between two: a BMC that restarts a service of its own is back within seconds. One that
# is away for longer is tried again by the job.
READ_TRIES = 3
_READ_PAUSE_S = 1.0
# HTTP statuses after which the same read may succeed a second later.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
# HTTP statuses that mean that the BMC has no such resource.
_ABSENT = frozenset({404, 405, 410, 501})
# HTTP statuses of a refused ETag: it does not match; one is required.
_PRECONDITION = frozenset({412, 428})
# Members and pages of one collection. The longest that are read, of network ports on a large machine, have some dozen
# members; pages of a BMC that link to each other in a circle end here.
_MAX_MEMBERS = 256
_MAX_PAGES = 32

# Waits for so many seconds.
Sleep = Callable[[float], None]


class RedfishConnection:
    """One BMC.

    Args:
        address: on record; it may carry the path of one system.
        settings: bound each request, in seconds.
        sleep: waits for so many seconds.
        measured: is given the seconds until each request was answered, or given up.
    """

    def __init__(
        self,
        address: transport.BmcAddress,
        settings: Settings,
        *,
        sleep: Sleep = time.sleep,
        measured: transport.Measured = transport.unmeasured,
    ) -> None:
        parts = urlsplit(address.bmc or "")
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.system_path = parts.path if bmc_address.system_key(parts.path) else None
        self.gate = gate.Gate()
        self.connector = transport.BmcConnector(self.base, address, settings, self.gate, measured)
        self.sleep = sleep
        self._ahead: dict[str, Resource] = {}
        self._off_limits: frozenset[str] = frozenset()
        self._budget_s = 2.0 * settings.bmc_read_timeout_s  # of one read: a timeout is tried again once

    def connect(self) -> None:
        """Have a connection ready, so that the next request can be sent at once. Raises NoAnswer."""
        self.connector.connect()

    def close(self) -> None:
        """Close the sockets."""
        self.connector.close()

    def get(self, path: str) -> Resource:
        """The resource at ``path``.

        Raises:
            BmcRefusal, NoAnswer: after the last try.
            ValueError: what came is not a JSON object, after the last try.
        """
        # Without this a BMC that drops one connection, or restarts a service, would cost the job one of its few tries.
        started = time.monotonic()
        for number in range(1, READ_TRIES + 1):
            try:
                return self._read(path)
            except (BmcRefusal, NoAnswer, ValueError) as error:
                if number == READ_TRIES or time.monotonic() - started > self._budget_s or not _may_pass(error):
                    raise
            self.sleep(_READ_PAUSE_S)
        raise AssertionError("the last try returns or raises")

    def get_ahead(self, path: str) -> Resource:
        """As `get`, for the write that follows: what was read for one whose permit ran out is not read again."""
        if path not in self._ahead:
            self._ahead[path] = self.get(path)
        return self._ahead[path]

    def find(self, path: str | None) -> Resource | None:
        """As `get`; None where the BMC has no such resource."""
        return _found(self.get, path)

    def find_ahead(self, path: str | None) -> Resource | None:
        """As `get_ahead`; None where the BMC has no such resource."""
        return _found(self.get_ahead, path)

    def members(self, path: str | None) -> list[Resource]:
        """The members of a collection, over all of its pages; those that are not there are left out."""
        return [found for member in self.member_paths(path) if (found := self.find(member))]

    def member_paths(self, path: str | None) -> Iterator[str]:
        """The paths of a collection's members, over all of its pages, each once."""
        seen: set[str] = set()
        for _ in range(_MAX_PAGES):
            page = self.find(path)
            if page is None:
                return
            for member in page.links("Members"):
                if member not in seen and len(seen) < _MAX_MEMBERS:
                    seen.add(member)
                    yield member
            # Source: DSP0266 s.7.7.1 (Members@odata.nextLink).
            path = page.link("Members@odata.nextLink") or page.link("@odata.nextLink")

    def parameters(self, action: Action) -> list[Resource]:
        """The parameters of an action, as its ActionInfo lists them; [] where it has none."""
        info = self.find_ahead(action.info_path)
        listed = info.value("Parameters") if info else None
        described = listed if isinstance(listed, list) else []
        return [Resource("", one) for one in described if isinstance(one, Mapping)]

    @contextmanager
    def writing(self, permit: Permit) -> Iterator[None]:
        """Writes are sent inside, and only while ``permit`` is valid; outside only reads are.

        Raises:
            PermitExpired: it has run out; the request was not sent.
        """
        with self.gate.writing(permit):
            yield

    def keep_off(self, systems: Iterable[str]) -> None:
        """From now on write to nothing of the systems at these paths, wherever a link or an action leads."""
        self._off_limits = frozenset(map(bmc_address.system_key, systems))

    def post(self, path: str, body: Mapping[str, object] | None) -> requests.Response:
        """Send an action, once. Raises BmcRefusal, NoAnswer, PermitExpired; BmcRejected: it leads to another system."""
        return self._write("POST", path, body, {})

    def patch(self, resource: Resource, body: Mapping[str, object]) -> requests.Response:
        """Change a resource as it was read; after a refused ETag, as it is read again.

        Only a refused ETag is answered with another: such a request has changed nothing. AMI MegaRAC sends a weak ETag
        and wants the strong one back; some refuse every ETag. Source: RFC 9110 s.13.1.1 (If-Match), s.8.8.1 (weak
        validators); DSP0266 s.6.5 (ETags).

        Raises:
            BmcRefusal, NoAnswer, PermitExpired, BmcRejected: as `post`; of the last try.
        """
        # Without this a BMC whose ETag has changed since the read, or is none that it takes, could not be written to.
        tried: list[str | None] = []
        for etag in self._etags(resource):
            if etag in tried:
                continue
            tried.append(etag)
            try:
                return self._write("PATCH", resource.path, body, {"If-Match": etag} if etag else {})
            except BmcRefusal as refusal:
                if refusal.status_code not in _PRECONDITION:
                    raise
                last = refusal
        raise last

    def _etags(self, resource: Resource) -> Iterator[str | None]:
        yield resource.etag
        fresh = self.get_ahead(resource.path).etag
        yield fresh
        yield fresh.removeprefix("W/") if fresh else "*"
        yield None

    def _read(self, path: str) -> Resource:
        answer = self.connector.get(path)
        body = answer.json()
        if not isinstance(body, dict):
            raise ValueError("the answer is not a JSON object")  # noqa: TRY004 - a defect of the BMC, not of our call
        return Resource(path, body, answer.headers.get("ETag") or Resource(path, body).text("@odata.etag") or None)

    def _write(
        self, method: str, path: str, body: Mapping[str, object] | None, headers: dict[str, str]
    ) -> requests.Response:
        self._refuse_off_limits(path)
        try:
            answer: requests.Response = self.connector.send(method, path, body, headers)
        except errors.PermitExpired:  # not sent: what was read for it is still true
            raise
        except Exception:
            self._ahead.clear()  # it may have been done all the same
            raise
        self._ahead.clear()  # the write has changed what was read ahead
        return answer

    def _refuse_off_limits(self, path: str) -> None:
        there = f"{bmc_address.system_key(path)}/"
        if any(there.startswith(f"{system}/") for system in self._off_limits):
            message = f"a link of the BMC at {self.base} leads to another system, {path}: nothing is written there"
            raise errors.BmcRejected(message, reason=model.FailureReason.WRONG_MACHINE)


def _found(read: Callable[[str], Resource], path: str | None) -> Resource | None:
    try:
        return None if path is None else read(path)
    except BmcRefusal as refusal:
        if refusal.status_code in _ABSENT:
            return None
        raise


def _may_pass(error: Exception) -> bool:
    return error.status_code in _PASSING if isinstance(error, BmcRefusal) else not error_mapping.is_hopeless(error)
