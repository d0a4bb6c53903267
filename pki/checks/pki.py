"""Everything in a PKI directory, checked."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from cryptography import x509

from pki import check, crl, errors, names
from pki.checks import ca as of_ca
from pki.checks import leaf as of_leaf
from pki.files import shared_lock
from pki.store import Store


def verify(
    store: Store,
    hosts: Mapping[names.Role, tuple[names.San, ...]],
    now: datetime,
    only: Sequence[names.Identity] = (),
    *,
    roles: Collection[names.Role] = (),
) -> list[check.Result]:
    """Check the CA and every identity; where the CA key is, the standard three must be there.

    Args:
        store: the PKI directory.
        now: the time to judge at.
        hosts: under which names and addresses the standard server of a role is connected to.
        only: these identities, instead of all that are here.
        roles: what this host is: these must be here, and what is merely known of others is not judged.

    Raises:
        NotSetUp: there is nothing to check.
        Locked: a command is changing the files right now.
    """
    if not store.identities():
        store.authorities()
    with shared_lock(store.lock_file):
        subject = of_ca.Ca(store, now)
        results = check.run("ca", subject, of_ca.CHECKS)
        trusted, is_revoked = _trusted(store), crl.known_revocations(store)
        for identity in only or (_of_roles(store, roles) if roles else _expected(store, needed=subject.signs_here)):
            leaf = leaf_of(store, identity, now, trusted=trusted, hosts=hosts, is_revoked=is_revoked)
            results += check.run(str(identity), leaf, of_leaf.CHECKS)
    return results


def leaf_of(
    store: Store,
    identity: names.Identity,
    now: datetime,
    *,
    trusted: tuple[x509.Certificate, ...],
    hosts: Mapping[names.Role, tuple[names.San, ...]],
    is_revoked: Callable[[x509.Certificate], bool],
) -> of_leaf.Leaf:
    """An identity of this directory, to be checked.

    Args:
        store: the PKI directory.
        identity: the holder.
        now: the time to judge at.
        trusted: the CAs that peers trust.
        hosts: as `verify` takes them.
        is_revoked: whether a certificate was revoked, as far as is known here.
    """
    files = store.files(identity)
    # A host has its own identity at the standard place, and servers of one CA need no chain.
    is_host = not store.ca_key.exists() and not store.ledger_file.exists()
    elsewhere = not identity.is_standard and not files.key.exists()
    return of_leaf.Leaf(
        role=identity.role,
        identity=None if is_host and identity.is_standard else identity,
        certificate_file=files.certificate,
        key_file=None if elsewhere else files.key,
        bundle_file=None if is_host and not files.bundle.exists() else files.bundle,
        trusted=trusted,
        hosts=hosts.get(identity.role, ()) if identity.is_standard else (),
        now=now,
        is_revoked=is_revoked,
    )


def _expected(store: Store, *, needed: bool) -> Sequence[names.Identity]:
    found = store.identities()
    return [*names.STANDARD, *(one for one in found if one not in names.STANDARD)] if needed or not found else found


def _of_roles(store: Store, roles: Collection[names.Role]) -> Sequence[names.Identity]:
    """For each role what is here of it, or else what must be; and whatever else has its key here, if it is ours."""
    found = store.identities()
    needed = [
        identity
        for role in sorted(roles)
        for identity in [one for one in found if one.role is role] or [names.Identity(role, role.value)]
    ]
    return [*needed, *(one for one in found if one not in needed and _is_ours(store.files(one).key))]


def _is_ours(key: Path) -> bool:
    """Whether a key is here, and not that of a service that runs as another user: its own check judges that one."""
    return key.exists() and (os.access(key, os.R_OK) or key.stat().st_uid == os.geteuid())


def _trusted(store: Store) -> tuple[x509.Certificate, ...]:
    with suppress(errors.PkiError):
        return store.authorities()
    return ()
