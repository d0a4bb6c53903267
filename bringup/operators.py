"""The people and consoles that may use the API: one file on each API host, with the SHA-256 of each one's token.

A token has 190 bits of chance, so that a fast hash of it is safe: it cannot be guessed from the file.
"""

import hashlib
import hmac
import re
import tomllib
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bringup import errors, files


class OperatorRole(StrEnum):
    """What a person, a console or a connector may do."""

    OPERATOR = "operator"  # read and change
    VIEWER = "viewer"  # read
    CONSOLE = "console"  # no person: the page. It reads, and sends what operators do with their tokens
    CONNECTOR = "connector"  # no person: a program of another system, which follows the feed of changes. It reads


# One label of the DNS name in the certificate. RFC 1035 s.2.3.1
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)
_PROGRAMS = frozenset({OperatorRole.CONSOLE, OperatorRole.CONNECTOR})


class Operator(BaseModel):
    """One person, one console, or one connector.

    Args:
        name: as in the certificate ``NAME.operator.bringup.internal``; of a console or connector with that role.
        token_sha256: hash of the token, as hex.
        added: when.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    role: OperatorRole
    token_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    added: datetime

    @field_validator("name")
    @classmethod
    def _is_name(cls, text: str) -> str:
        if not _NAME.fullmatch(text):
            raise ValueError("must be up to 40 lower case letters, digits and -, such as alice")
        return text

    @property
    def certificate(self) -> str:
        """The identity that the certificate beside the token must have."""
        return f"{self.name}.{self.certificate_role}"

    @property
    def certificate_role(self) -> str:
        """The role in that certificate: people have one for all that they may do."""
        return self.role.value if self.role in _PROGRAMS else OperatorRole.OPERATOR.value


class Operators:
    """All persons of one file. Frozen: adding and removing make another one."""

    def __init__(self, operators: Iterable[Operator] = ()) -> None:
        self.by_name = {operator.name: operator for operator in operators}
        self._by_hash = {operator.token_sha256: operator for operator in self.by_name.values()}

    @classmethod
    def read(cls, path: Path) -> "Operators":
        """The persons of ``path``; none when there is no such file.

        Raises:
            OperatorsError: the file cannot be read, is open to others, or a part of it is wrong.
        """
        try:
            if path.stat().st_mode & 0o077:
                raise errors.OperatorsError([f"OPERATORS_FILE: {path} is open to others; run: chmod 600 {path}"])
            entries = tomllib.loads(path.read_text(encoding="utf-8")).get("operator", [])
            return cls(Operator.model_validate(entry) for entry in entries)
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise errors.OperatorsError([f"OPERATORS_FILE: {path} cannot be read: {error.strerror}"]) from None
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            why = first["msg"].removeprefix("Value error, ")
            raise errors.OperatorsError([f"OPERATORS_FILE: {path}: {where}: {why}"]) from None
        except (ValueError, TypeError) as error:
            raise errors.OperatorsError([f"OPERATORS_FILE: {path} is no usable TOML: {error}"]) from None

    def write(self, path: Path) -> None:
        """Replace ``path``, whole or not at all. Raises OperatorsError."""
        document = tomlkit.document()
        document.add(tomlkit.comment("Made by `bringup operator`: names, roles and hashes of tokens."))
        tables = tomlkit.aot()
        for operator in sorted(self.by_name.values(), key=lambda one: one.name):
            table = tomlkit.table()
            table.update(operator.model_dump(mode="json"))
            tables.append(table)
        if tables:
            document.append("operator", tables)
        try:
            files.write_atomically(path, tomlkit.dumps(document).encode())
        except OSError as error:
            raise errors.OperatorsError([f"OPERATORS_FILE: {path} cannot be written: {error.strerror}"]) from None

    def adding(self, operator: Operator) -> "Operators":
        """These and one more. Raises OperatorNameError: there is one of this name."""
        if operator.name in self.by_name:
            renewing = f"for a new token first run: bringup operator remove {operator.name}"
            raise errors.OperatorNameError([f"there is an operator {operator.name} already; {renewing}"])
        return Operators([*self.by_name.values(), operator])

    def removing(self, name: str) -> "Operators":
        """All but one. Raises OperatorNameError: there is none of this name."""
        if name not in self.by_name:
            known = ", ".join(sorted(self.by_name)) or "none"
            raise errors.OperatorNameError([f"there is no operator {name}; there are: {known}"])
        return Operators(operator for operator in self.by_name.values() if operator.name != name)

    def of_token(self, token: str) -> Operator | None:
        """The person who bears ``token``."""
        digest = token_hash(token)
        found = self._by_hash.get(digest)
        # The look-up by hash shows an attacker nothing: what it compares is the hash of a guess, not the guess.
        return found if found and hmac.compare_digest(found.token_sha256, digest) else None

    def __bool__(self) -> bool:
        return bool(self.by_name)


def token_hash(token: str) -> str:
    """What is kept of a token: its SHA-256, as hex."""
    return hashlib.sha256(token.encode()).hexdigest()
