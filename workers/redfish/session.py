"""Logging in and out: one session, and Basic authentication only where the BMC leaves no other way.

Source: DSP0266 s.13.3 (authentication).
"""

import re

from pydantic import SecretStr
from requests import Response, codes
from sushy.exceptions import SushyError

from bringup import log
from workers.credentials import Credential
from workers.redfish.connection import RedfishConnection
from workers.redfish.refusal import Refusal
from workers.redfish.resource import Resource, local_path

_ROOT = "/redfish/v1/"
_NO_SESSIONS = frozenset({404, 405, 501})
# Base registry, and what iDRAC answers with its 503. Source: DSP0268; Dell, message RAC0218.
_LIMIT = frozenset({"SessionLimitExceeded", "CreateLimitReachedForResource", "RAC0218"})

_LIMIT_IN_WORDS = re.compile(r"(maximum|limit|too many).{0,40}session|session.{0,40}(maximum|limit)", re.IGNORECASE)


class Login:
    """One login at one BMC.

    Args:
        basic_only: open no session at all; for who must not write anything.
    """

    def __init__(self, connection: RedfishConnection, credential: Credential, *, basic_only: bool = False) -> None:
        self._connection = connection
        self._username = credential.username
        self._password: SecretStr = credential.password
        self._basic_only = basic_only
        self._session_path: str | None = None
        self.basic_because: str | None = None

    def open(self) -> Resource:
        """Log in; returns the service root.

        Raises:
            Refusal, NoAnswer: the BMC does not let us in. A refused password is never tried a second time.
        """
        root = self._root()
        if self.basic_because is None:
            self._start_session(root)
        return root

    def close(self) -> None:
        """Log out. A BMC that cannot even do that ends the session by its own timeout."""
        path, self._session_path = self._session_path, None
        try:
            if path:
                with self._connection.gate.login():
                    self._connection.door.delete(path)
        except (SushyError, ValueError) as error:
            log.get("workers").warning("could not log out of the BMC", bmc=self._connection.base, why=str(error))
        finally:
            self._connection.door.forget()

    def _root(self) -> Resource:
        if self._basic_only:
            self._use_basic("asked for")
        try:
            return self._connection.get(_ROOT)
        except Refusal as refusal:
            if refusal.status_code != codes.unauthorized or self.basic_because:
                raise
        self._use_basic("the BMC shows its service root to nobody without a login")
        return self._connection.get(_ROOT)

    def _start_session(self, root: Resource) -> None:
        path = self._sessions_path(root)
        if path is None:
            self._use_basic("the BMC has no sessions")
            return
        try:
            with self._connection.gate.login():
                answer = self._connection.post(
                    path, {"UserName": self._username, "Password": self._password.get_secret_value()}
                )
        except Refusal as refusal:
            if not (refusal.status_code in _NO_SESSIONS or _is_limit(refusal)):
                raise
            self._use_basic(f"the BMC opens no session: {refusal.detail or refusal.status_code}")
            self._try_basic(root, refusal)
        else:
            self._use_session(answer)

    def _try_basic(self, root: Resource, refusal: Refusal) -> None:
        """A BMC that takes no Basic authentication has not refused the password: it has refused the session."""
        try:
            self._connection.find(root.link("Systems"))
        except Refusal as second:
            if second.status_code == codes.unauthorized and _is_limit(refusal):
                raise refusal from None
            raise

    def _sessions_path(self, root: Resource) -> str | None:
        if direct := root.link("Links", "Sessions") or root.link("SessionService", "Sessions"):
            return direct
        service = root.link("SessionService")
        return f"{service.rstrip('/')}/Sessions" if service else None

    def _use_session(self, answer: Response) -> None:
        token = answer.headers.get("X-Auth-Token")
        self._session_path = local_path(answer.headers.get("Location")) or _path_in(answer)
        if token:
            self._connection.door.set_http_session_auth(token)
        else:
            self._use_basic("the BMC opened a session and gave no token for it")

    def _use_basic(self, why: str) -> None:
        """Name and password with each request. It is on record, because it costs the BMC a login each time."""
        self.basic_because = why
        log.get("workers").warning("Basic authentication is used", bmc=self._connection.base, why=why)
        self._connection.door.set_http_basic_auth(self._username, self._password.get_secret_value())


def _is_limit(refusal: Refusal) -> bool:
    return bool(refusal.ids & _LIMIT) or any(_LIMIT_IN_WORDS.search(message.text) for message in refusal.messages)


def _path_in(answer: Response) -> str | None:
    try:
        return local_path(answer.json())
    except (ValueError, RecursionError):
        return None
