"""The PKI directory: where each file is, and reading it; how far a rollover of the CA has come."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from cryptography import x509

from pki.errors import Damaged, InvalidInput, NotSetUp, Refused
from pki.files import read
from pki.journal import interrupted
from pki.ledger import Ledger
from pki.names import DOMAIN, STANDARD, Identity, Role, names_of, parse_identity

# Where the standard identities are; users have these paths in their configurations.
_FOLDERS = {Role.REDIS: "redis", Role.WORKER: "workers", Role.API: "api"}
SETUP = "bringup pki setup"


@dataclass(frozen=True)
class Files:
    """Where the certificate of one identity is, its key, and the chain that servers present."""

    certificate: Path
    key: Path
    bundle: Path


@dataclass(frozen=True)
class Store:
    """One PKI directory. Reads only; files are written by a `pki.session.CaSession`."""

    root: Path

    @property
    def ca_certificate(self) -> Path:
        """What every machine trusts: one CA, or two during a rollover."""
        return self.root / "ca" / "ca-cert.pem"

    @property
    def ca_key(self) -> Path:
        """The key of the CA that signs now."""
        return self.root / "ca" / "ca-key.pem"

    @property
    def ca_crl(self) -> Path:
        """What is revoked; one list per CA that is trusted."""
        return self.root / "ca" / "ca-crl.pem"

    @property
    def state(self) -> Path:
        """What only the CA needs: ledger, lock, rollover, and what was replaced. Private."""
        return self.root / "ca" / "state"

    @property
    def ledger_file(self) -> Path:
        """The ledger of everything issued."""
        return self.state / "record.json"

    @property
    def lock_file(self) -> Path:
        """Held while a command changes something."""
        return self.state / "lock"

    def check_home(self) -> None:
        """Check that this is the CA's machine.

        Raises:
            NotSetUp: there is no CA.
            Refused: the CA is trusted here, but its key is on another machine.
        """
        if self.ca_key.exists() or self.ledger_file.exists() or interrupted(self.state):
            return
        self.authorities()
        raise Refused(
            f"this is not the CA's machine: neither {self.ca_key} nor {self.ledger_file} is here",
            hint="run the command where the CA key is, and carry the certificates here",
        )

    def files(self, identity: Identity) -> Files:
        """Where the files of an identity are."""
        if identity.is_standard:
            folder = self.root / _FOLDERS[identity.role]
        else:
            folder = self.root / "issued" / identity.role.value
        return Files(*(folder / f"{identity.name}-{kind}.pem" for kind in ("cert", "key", "bundle")))

    def identities(self) -> list[Identity]:
        """Every identity that has a certificate or a key here, the standard three first."""
        issued = self.root / "issued"
        names = {
            f"{path.name.removesuffix(f'-{kind}.pem')}.{role}.{DOMAIN}"
            for role in Role
            for kind in ("cert", "key")
            for path in issued.glob(f"{role.value}/*-{kind}.pem")
        }
        found = {identity for name in names if (identity := parse_identity(name))}
        standard = [one for one in STANDARD if any(path.exists() for path in self._pair(one))]
        return [*standard, *sorted(found - set(STANDARD))]

    def named(self, text: str) -> Identity:
        """The identity that a text names: ``worker``, ``worker/w2``, ``w2`` or its full name.

        Raises:
            InvalidInput: there is none, or more than one.
        """
        found = [one for one in self.identities() if text in names_of(one)]
        exact = [one for one in found if text == str(one)] or found
        if len(exact) != 1:
            what = "more than one identity" if found else "no identity here"
            known = ", ".join(map(str, self.identities())) or "none"
            raise InvalidInput(f"{text!r} is {what}; there are: {known}", hint="bringup pki show")
        return exact[0]

    def authorities(self) -> tuple[x509.Certificate, ...]:
        """The CAs that are trusted.

        Raises:
            NotSetUp: there are none.
            Damaged: the file cannot be read.
        """
        if not self.ca_certificate.exists():
            raise NotSetUp(f"there is no CA in {self.root}: {self.ca_certificate} does not exist", hint=SETUP)
        try:
            return tuple(read_certificates(self.ca_certificate))
        except Damaged as error:
            raise Damaged(str(error), hint=f"restore it from a backup; if there is none: {SETUP} --force") from None

    def certificate(self, identity: Identity) -> x509.Certificate | None:
        """The certificate of an identity, None if it has none. Raises Damaged."""
        path = self.files(identity).certificate
        return read_certificates(path)[0] if path.exists() else None

    def ledger(self) -> Ledger:
        """Everything that was issued.

        Raises:
            Damaged: it cannot be read, or is lost although there is a CA.
        """
        path = self.ledger_file
        if path.exists():
            try:
                return Ledger.from_json(read(path))
            except Damaged as error:
                raise Damaged(f"{path}: {error}", hint=REBUILD) from None
        if self.ca_certificate.exists():
            raise Damaged(f"{path} is missing: without it a new CRL would forget who was revoked", hint=REBUILD)
        return Ledger()

    def _pair(self, identity: Identity) -> tuple[Path, Path]:
        files = self.files(identity)
        return files.certificate, files.key


REBUILD = "restore it from a backup, or rebuild it from the files here: bringup pki crl --rebuild-ledger"


def read_certificates(path: Path) -> list[x509.Certificate]:
    """The certificates of a PEM file, at least one. Raises Damaged."""
    try:
        return x509.load_pem_x509_certificates(read(path))
    except ValueError:
        raise Damaged(f"{path} holds no readable certificate", hint=f"mv {path} {path}.damaged && {SETUP}") from None


class Stage(StrEnum):
    """Each stage can only be followed by the next; after the last, the rollover is over."""

    TRUST = "trust"  # both CAs are trusted, the old one signs
    CLIENTS = "clients"  # the new one signs; clients have certificates of it
    SERVERS = "servers"  # servers too


@dataclass(frozen=True)
class RolloverState:
    """``stage`` is None when no rollover is under way."""

    folder: Path
    stage: Stage | None = None
    since: datetime | None = None

    @classmethod
    def read(cls, state: Path) -> "RolloverState":
        """The state in the private folder of a PKI. Raises Damaged."""
        folder = state / "rollover"
        path = folder / "stage.json"
        if not path.exists():
            return cls(folder)
        try:
            raw = json.loads(read(path))
            stage = Stage(raw["stage"]) if raw["stage"] else None
            return cls(folder, stage, datetime.fromisoformat(raw["since"]))
        except (ValueError, KeyError, TypeError):
            raise Damaged(
                f"{path} cannot be read as the stage of a rollover", hint="restore it from a backup"
            ) from None

    @property
    def file(self) -> Path:
        """Where the stage is kept."""
        return self.folder / "stage.json"

    @property
    def key_file(self) -> Path:
        """The key of the CA that does not sign: the new one at first, then the old one."""
        return self.folder / "other-key.pem"

    def at(self, stage: Stage | None, now: datetime) -> bytes:
        """The contents of the file at another stage."""
        return json.dumps({"stage": stage, "since": now.isoformat()}).encode()
