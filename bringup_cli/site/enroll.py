"""Enrolling a host at the CA: its certificates, its users in Redis, and the files that it gets."""

from collections.abc import Mapping
from datetime import datetime

from cryptography import x509

from bringup.redis_acl import acl_file, keeper_line, user_line
from bringup.settings import Settings
from bringup_cli.site import layout
from bringup_cli.site.bundle import Manifest
from bringup_cli.site.registry import RIGHTS, Host, HostRole, Registry
from bringup_cli.site.role_settings import role_settings
from pki.authority import fits, read_key
from pki.errors import Refused
from pki.files import read
from pki.names import Identity, Role, San, parse_san
from pki.renew import is_due
from pki.session import CaSession
from pki.store import Store

Requests = Mapping[Identity, x509.CertificateSigningRequest]
# The CA's host as a client: of Redis, as user keeper, and of the API.
CA_CLIENT = Identity(Role.CA, "ca")


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
    sans = tuple(parse_san(text, single_label=dev) for text in host.sans)
    for identity in host.identities:
        own = sans if identity.role.is_server else ()
        if identity.role.is_server and not own:
            raise Refused(
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
    files = {layout.CA: read(store.ca_certificate), layout.CRL: read(store.ca_crl)}
    for identity in host.identities:
        ours, theirs = store.files(identity), layout.files_of(identity)
        files[str(theirs.certificate)] = read(ours.certificate)
        if identity.role.is_server:
            files[str(theirs.bundle)] = read(ours.bundle)
        if with_keys:
            files[str(theirs.key)] = read(ours.key)
    files |= {layout.env_file(role): role_settings(settings, host, role) for role in host.roles}
    if HostRole.REDIS in host.roles and registry.keeper:
        files[layout.USERS] = users_file(registry).encode()
        files[layout.KEEPER] = f"{registry.keeper}\n".encode()
    return files


def manifest_of(host: Host, now: datetime) -> Manifest:
    """The manifest of a host's bundle, made now."""
    return Manifest(host=host.name, roles=host.roles, made_at=now, use_until=host.use_until)


def users_file(registry: Registry) -> str:
    """The ACL file of a new Redis: keeper, and the users of every host. Passwords are in it as SHA-256 only."""
    lines = [line for host in registry.hosts.values() for line in user_lines(host)]
    return acl_file({}) + "\n".join([keeper_line(registry.keeper), *lines]) + "\n"


def user_lines(host: Host) -> list[str]:
    """The users of a host, each as a line of an ACL file; none where it was revoked."""
    if host.revoked_at:
        return []
    return [user_line(user, RIGHTS[role], host.passwords[role]) for user, role in host.redis_users.items()]


def _usable(session: CaSession, identity: Identity, sans: tuple[San, ...], renew_days: int) -> bool:
    """Whether certificate and key are here, fit, carry every name, and will last."""
    present, key = session.store.certificate(identity), session.store.files(identity).key
    if present is None or not key.exists() or session.ledger.is_revoked(present):
        return False
    start, end = present.not_valid_before_utc, present.not_valid_after_utc
    carried = x509.DNSName(identity.dns), *sans
    found = present.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        set(carried) <= set(found)
        and fits(read_key(key), present)
        and not is_due(start, end, session.now, renew_days)
        and any(present.issuer == one.subject for one in session.trusted)
    )


def _certify_request(session: CaSession, identity: Identity, sans: tuple[San, ...], requests: Requests) -> None:
    request = requests.get(identity)
    if request is None:
        raise Refused(f"the request has no key for {identity.dns}", hint="bringup site request, with the same --role")
    session.certify(identity, sans, request.public_key())
    if (key := session.store.files(identity).key).exists():
        session.drop(key)
