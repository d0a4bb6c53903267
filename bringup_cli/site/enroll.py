"""Enrolling a host: what it asks the CA for, its certificates, its users in Redis, and the files that it gets.

A host may make its keys itself: it then asks for certificates with one file that holds no secret.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import BaseModel, ConfigDict, ValidationError

from bringup.redis_acl import RIGHTS, acl_file, keeper_line, user_line
from bringup.settings import Settings
from bringup_cli.site import bundle, join
from bringup_cli.site.registry import Host, HostRole, Registry, identities_of
from bringup_cli.site.role_settings import role_settings
from pki import authority, csr, errors, names, profile, renew
from pki.files import make_directory, read, write_atomic
from pki.session import CaSession
from pki.store import Store

Requests = Mapping[names.Identity, x509.CertificateSigningRequest]
# The CA's host as a client: of Redis, as user keeper, and of the API.
CA_CLIENT = names.Identity(names.Role.CA, "ca")
REQUEST_SUFFIX = ".request.json"


def certify(session: CaSession, host: Host, requests: Requests | None, *, renew_days: int, dev: bool = False) -> None:
    """Give a host the certificates that it has not yet; what is usable is kept. Nothing is on disk before `commit`.

    Args:
        session: at the CA.
        host: as it is enrolled.
        requests: of keys that never leave the host, by identity; None: keys are made here.
        renew_days: what ends in fewer days is made anew.
        dev: allow names without a dot.

    Raises:
        Refused: a server has no names, or a request is missing.
        InvalidInput: a name must not be in a certificate.
    """
    sans = tuple(names.parse_san(text, single_label=dev) for text in host.sans)
    for identity in host.identities:
        own = sans if identity.role.is_server else ()
        if identity.role.is_server and not own:
            raise errors.Refused(
                f"{host.name} is to be a server of role {identity.role}, and no name or address of it is known",
                hint="give each by which clients reach it: --san r1.example.net --san 192.0.2.10",
            )
        if requests is not None:
            _certify_request(session, identity, own, requests)
        elif not _usable(session, identity, own, renew_days):
            session.issue(identity, own)
    if session.store.certificate(CA_CLIENT) is None:
        session.issue(CA_CLIENT, ())


def bundle_files(
    store: Store, registry: Registry, settings: Settings, host: Host, *, with_keys: bool
) -> dict[str, bytes]:
    """What a host gets, by its name there; and nothing else.

    Args:
        store: of the CA; the host's certificates are in it.
        registry: with the host in it.
        settings: of the site.
        host: who gets it.
        with_keys: False where the keys are on the host already.
    """
    files = {bundle.CA: read(store.ca_certificate), bundle.CRL: read(store.ca_crl)}
    for identity in host.identities:
        ours, theirs = store.files(identity), bundle.files_of(identity)
        files[str(theirs.certificate)] = read(ours.certificate)
        if identity.role.is_server:
            files[str(theirs.bundle)] = read(ours.bundle)
        if with_keys:
            files[str(theirs.key)] = read(ours.key)
    files |= {bundle.env_file(role): role_settings(settings, host, role) for role in host.roles}
    if HostRole.REDIS in host.roles and registry.keeper:
        files[bundle.USERS] = users_file(registry).encode()
        files[bundle.KEEPER] = f"{registry.keeper}\n".encode()
    return files


def manifest_of(host: Host, now: datetime) -> bundle.Manifest:
    """The manifest of a host's bundle, made now."""
    return bundle.Manifest(host=host.name, roles=host.roles, made_at=now, use_until=host.use_until)


def users_file(registry: Registry) -> str:
    """The ACL file of a new Redis: keeper, and the users of every host. Passwords are in it as SHA-256 only."""
    return acl_file({}) + "\n".join([keeper_line(registry.keeper), *all_user_lines(registry)]) + "\n"


def all_user_lines(registry: Registry) -> list[str]:
    """The users of every host, each as a line of an ACL file."""
    return [line for host in registry.hosts.values() for line in user_lines(host)]


def user_lines(host: Host) -> list[str]:
    """The users of a host, each as a line of an ACL file; none where it was revoked."""
    if host.revoked_at:
        return []
    return [user_line(user, RIGHTS[role], host.passwords[role]) for user, role in host.redis_users.items()]


def _usable(session: CaSession, identity: names.Identity, sans: tuple[names.San, ...], renew_days: int) -> bool:
    """Whether certificate and key are here, fit, carry every name, and will last."""
    present, key = session.store.certificate(identity), session.store.files(identity).key
    if present is None or not key.exists() or session.ledger.is_revoked(present):
        return False
    start, end = present.not_valid_before_utc, present.not_valid_after_utc
    carried = x509.DNSName(identity.dns), *sans
    found = present.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        set(carried) <= set(found)
        and authority.fits(authority.read_key(key), present)
        and not renew.is_due(start, end, session.now, renew_days)
        and any(present.issuer == one.subject for one in session.trusted)
    )


def _certify_request(
    session: CaSession, identity: names.Identity, sans: tuple[names.San, ...], requests: Requests
) -> None:
    request = requests.get(identity)
    if request is None:
        raise errors.Refused(
            f"the request has no key for {identity.dns}", hint="bringup site request, with the same --role"
        )
    session.certify(identity, sans, request.public_key())
    if (key := session.store.files(identity).key).exists():
        session.drop(key)


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
    identities = identities_of(host, roles)
    make_directory(folder)
    make_directory(join.requested_key(folder, identities[0]).parent, private=True)
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
        asked = HostRequest.model_validate_json(data if len(data) <= 8 * csr.LARGEST_REQUEST else b"")
    except ValidationError:
        raise errors.InvalidInput(
            f"{path} is no file of `bringup site request`", hint="make it again on the host"
        ) from None
    if asked.host != host:
        raise errors.InvalidInput(
            f"{path} is of the host {asked.host}, not of {host}", hint=f"enroll {asked.host} with it"
        )
    identities = identities_of(host, asked.roles)
    found = {
        one: csr.read_request(asked.requests[one.dns].encode(), f"{path}: {one.dns}")
        for one in identities
        if one.dns in asked.requests
    }
    return asked.roles, found


def _request(folder: Path, identity: names.Identity) -> str:
    path = join.requested_key(folder, identity)
    if not path.exists():
        write_atomic(path, authority.key_pem(profile.new_key()))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, identity.dns)])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(authority.read_key(path), hashes.SHA256())
    return made.public_bytes(Encoding.PEM).decode()
