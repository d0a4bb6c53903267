"""Keys that never travel: made on the host, which asks for certificates with one file that holds no secret."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import BaseModel, ConfigDict, ValidationError

from bringup_cli.site.enroll import Requests
from bringup_cli.site.join import requested_key
from bringup_cli.site.registry import HostRole
from pki import profile
from pki.authority import key_pem, read_key
from pki.csr import LARGEST_REQUEST, read_request
from pki.errors import InvalidInput
from pki.files import make_directory, read, write_atomic
from pki.names import Identity, Role

SUFFIX = ".request.json"


class HostRequest(BaseModel):
    """What a host asks for: a certificate request in PEM for each of its identities, by its full name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    host: str
    roles: tuple[HostRole, ...]
    requests: Mapping[str, str]


def make_request(folder: Path, host: str, roles: tuple[HostRole, ...]) -> HostRequest:
    """Make the keys of a host, or take those of an earlier request that no certificate came for.

    Args:
        folder: where the host will join into.
        host: its name.
        roles: what runs on it.

    Raises:
        PkiError: the name is none, or the folder cannot be written.
    """
    identities = [Identity(Role(role), host) for role in (*roles, Role.HOST)]
    make_directory(folder)
    make_directory(requested_key(folder, identities[0]).parent, private=True)
    return HostRequest(host=host, roles=roles, requests={one.dns: _request(folder, one) for one in identities})


def read_requests(path: Path, host: str) -> tuple[tuple[HostRole, ...], Requests]:
    """The roles and the requests in a host's file; each proves that its sender holds the key.

    Args:
        path: of the file.
        host: who is enrolled.

    Raises:
        InvalidInput: it is of another host, or no such file.
    """
    data = read(path)
    try:
        asked = HostRequest.model_validate_json(data if len(data) <= 8 * LARGEST_REQUEST else b"")
    except ValidationError:
        raise InvalidInput(f"{path} is no file of `bringup site request`", hint="make it again on the host") from None
    if asked.host != host:
        raise InvalidInput(f"{path} is of the host {asked.host}, not of {host}", hint=f"enroll {asked.host} with it")
    identities = [Identity(Role(role), host) for role in (*asked.roles, Role.HOST)]
    found = {
        one: read_request(asked.requests[one.dns].encode(), f"{path}: {one.dns}")
        for one in identities
        if one.dns in asked.requests
    }
    return asked.roles, found


def _request(folder: Path, identity: Identity) -> str:
    path = requested_key(folder, identity)
    if not path.exists():
        write_atomic(path, key_pem(profile.new_key()))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, identity.dns)])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(read_key(path), hashes.SHA256())
    return made.public_bytes(Encoding.PEM).decode()
