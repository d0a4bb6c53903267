"""BMC credentials: read from their file at the moment of use, and kept nowhere else."""

import os
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from bringup.errors import BmcRejected
from bringup.model import FailureReason


@dataclass(frozen=True)
class Credential:
    """A name and a password for one BMC or many."""

    username: str
    password: SecretStr


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    username: str = Field(min_length=1)
    password: SecretStr = Field(min_length=1)


def read_credential(name: str | None, folder: Path) -> Credential:
    """The credential that the inventory calls ``name``.

    Raises:
        BmcRejected: bmc_auth; the message names the file and says what to do.
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
        raise _refused(f"{path}: {problems}; it holds username and password") from None
    return Credential(found.username, found.password)


def _private_text(path: Path) -> str:
    """The text of a file that is ours alone; its mode is that of the file which was opened, not of its name."""
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


def _refused(message: str) -> BmcRejected:
    return BmcRejected(message, reason=FailureReason.BMC_AUTH)
