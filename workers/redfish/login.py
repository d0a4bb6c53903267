"""Logging in and out: one session, and Basic authentication only where the BMC has no other way.

Credentials are read from their file at the moment of use, and kept nowhere else. Source: DSP0266 s.13.3
(authentication).
"""

import os
import re
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from requests import Response, codes
from sushy.exceptions import SushyError

from bringup import errors, log, model
from workers.redfish.connection import RedfishConnection
from workers.redfish.refusal import BmcRefusal
from workers.redfish.resource import Resource, local_path

# The service root, which every BMC shows without a login. Source: DSP0266 (service root).
_ROOT = "/redfish/v1/"
# HTTP statuses of a BMC that has no sessions.
_NO_SESSIONS = frozenset({404, 405, 501})
# Messages that mean: too many sessions. Source: DSP0268, Base registry; Dell, message RAC0218, sent with a 503.
_LIMIT = frozenset({"SessionLimitExceeded", "CreateLimitReachedForResource", "RAC0218"})
# The same, where a BMC writes only prose.
_LIMIT_IN_PROSE = re.compile(r"(maximum|limit|too many).{0,40}session|session.{0,40}(maximum|limit)", re.IGNORECASE)


@dataclass(frozen=True)
class Credential:
    """A name and a password for one BMC or several."""

    username: str
    password: SecretStr


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    username: str = Field(min_length=1)
    password: SecretStr = Field(min_length=1)


def read_credential(name: str | None, folder: Path) -> Credential:
    """The credential that the inventory calls ``name``.

    Args:
        name: of the device's `credential`; None: it has none.
        folder: BMC_CREDENTIALS_DIR.

    Raises:
        BmcRejected: bmc_auth; the message names the file and what to do.
    """
    if name is None:
        raise _refused("the inventory names no credential for this BMC: set `credential` of the device")
    path = folder / f"{name}.toml"
    if path.name != f"{name}.toml" or name.startswith("."):
        raise _refused(f"{name!r} is no name of a credential")
    text = _private_text(path)
    try:
        found = _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise _refused(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        problems = "; ".join(f"{p['loc'][0]}: {p['msg']}" for p in error.errors(include_input=False))
        raise _refused(f"{path}: {problems}; it must have username and password") from None
    return Credential(found.username, found.password)


def _private_text(path: Path) -> str:
    """The text of a file that only this user can read.

    Owner and mode are those of the opened file: one that was checked by its name could be exchanged meanwhile.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid():
                raise _refused(f"{path} belongs to another user: chown it to the user who runs `bringup work`")
            if stat.S_IMODE(status.st_mode) & 0o077:
                raise _refused(f"{path} is open to others: chmod 0600 {path}, and change the password")
            return file.read().decode()
    except OSError as error:
        raise _refused(f"{path}: {error.strerror}; make it (mode 0600) or set BMC_CREDENTIALS_DIR") from None
    except UnicodeDecodeError:
        raise _refused(f"{path} is not text in UTF-8") from None


def _refused(message: str) -> errors.BmcRejected:
    return errors.BmcRejected(message, reason=model.FailureReason.BMC_AUTH)


class Login:
    """One login at one BMC.

    Args:
        connection: to the BMC.
        credential: name and password.
        basic_only: open no session at all; for a check that must not write anything.
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
            BmcRefusal, NoAnswer: the BMC does not let us in. A refused password is never tried a second time.
        """
        root = self._root()
        if self.basic_because is None:
            self._start_session(root)
        return root

    def close(self) -> None:
        """Log out. A BMC that does not answer ends the session by its own timeout."""
        path, self._session_path = self._session_path, None
        try:
            if path:
                with self._connection.gate.login():
                    self._connection.connector.delete(path)
        except (SushyError, ValueError) as error:
            log.get("workers").warning("could not log out of the BMC", bmc=self._connection.base, why=str(error))
        finally:
            # Also when the BMC did not answer: a request after this must not carry the session or the password.
            self._connection.connector.forget_login()

    def _root(self) -> Resource:
        if self._basic_only:
            self._use_basic("asked for")
        try:
            return self._connection.get(_ROOT)
        except BmcRefusal as refusal:
            if refusal.status_code != codes.unauthorized or self.basic_because:
                raise
        self._use_basic("the BMC does not show its service root without a login")
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
        except BmcRefusal as refusal:
            # A refused password is not sent a second time: BMCs lock accounts after a few.
            if not (refusal.status_code in _NO_SESSIONS or _is_limit(refusal)):
                raise
            self._use_basic(f"the BMC opens no session: {refusal.detail or refusal.status_code}")
            self._try_basic(root, refusal)
        else:
            self._use_session(answer)

    def _try_basic(self, root: Resource, refusal: BmcRefusal) -> None:
        """A BMC that takes no Basic authentication has not refused the password: it has refused the session."""
        try:
            self._connection.find(root.link("Systems"))
        except BmcRefusal as second:
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
            self._connection.connector.set_http_session_auth(token)
        else:
            self._use_basic("the BMC opened a session and gave no token for it")

    def _use_basic(self, why: str) -> None:
        """Send name and password with each request. It is logged, because it costs the BMC a login each time."""
        self.basic_because = why
        log.get("workers").warning("Basic authentication is used", bmc=self._connection.base, why=why)
        self._connection.connector.set_http_basic_auth(self._username, self._password.get_secret_value())


def _is_limit(refusal: BmcRefusal) -> bool:
    return bool(refusal.ids & _LIMIT) or any(_LIMIT_IN_PROSE.search(message.text) for message in refusal.messages)


def _path_in(answer: Response) -> str | None:
    try:
        return local_path(answer.json())
    except (ValueError, RecursionError):
        return None
