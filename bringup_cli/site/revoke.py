"""Cutting a host off: its certificates are revoked, its users in Redis are gone, and its connections with them."""

from dataclasses import dataclass, field

from bringup_cli.site.registry import Host, Registry
from pki import errors, ledger
from pki.session import CaSession


@dataclass
class Revoked:
    """What was done.

    Args:
        host: as it is now.
        entries: certificates that were revoked now; none where it was cut off before.
        failed: what could not be reached, and why.
    """

    host: Host
    entries: list[ledger.Entry]
    failed: dict[str, str] = field(default_factory=dict)


def revoke(session: CaSession, name: str, reason: str) -> Revoked:
    """Revoke every certificate of a host, as one change with the list and the registry.

    Args:
        session: committed here.
        name: of the host.
        reason: one of `pki.ledger.REASONS`.

    Raises:
        InvalidInput: there is no such host.
    """
    registry = Registry.read(session.store)
    host = known(registry, name)
    entries = [
        entry
        for identity in host.identities
        for entry in session.ledger.find(identity.dns)
        if not entry.revoked_at and entry.not_after > session.now
    ]
    for entry in entries:
        session.revoke(entry, reason)
    for identity in host.identities:
        files = session.store.files(identity)
        for path in (files.certificate, files.key, files.bundle):
            if path.exists():
                session.drop(path)
    gone = host.model_copy(update={"revoked_at": host.revoked_at or session.now, "passwords": {}})
    registry.with_host(gone).put(session)
    session.publish_crl()
    session.commit(backup=True)
    return Revoked(gone, entries)


def forget(session: CaSession, name: str) -> None:
    """Let a revoked host's name be used again; what was revoked stays revoked.

    Args:
        session: committed here.
        name: of the host.

    Raises:
        InvalidInput: there is no such host, or it is in use.
    """
    registry = Registry.read(session.store)
    if known(registry, name).revoked_at is None:
        raise errors.InvalidInput(f"{name} is in use", hint=f"bringup site revoke {name}")
    left = {host: one for host, one in registry.hosts.items() if host != name}
    registry.model_copy(update={"hosts": left}).put(session)
    session.commit()


def known(registry: Registry, name: str) -> Host:
    """A host by its name. Raises InvalidInput."""
    if host := registry.hosts.get(name):
        return host
    there = ", ".join(registry.hosts) or "none"
    raise errors.InvalidInput(f"there is no host {name!r}; there are: {there}", hint="bringup site status")
