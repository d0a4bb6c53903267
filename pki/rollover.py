"""Replacing the CA without an outage: trust both, move the clients, move the servers, drop the old.

Trust comes first everywhere: a machine that meets a certificate of a CA that it does not know yet is cut off.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from pki import authority, errors, profile, setup
from pki.names import Identity
from pki.session import CaSession
from pki.store import Stage

# No stage can be skipped: a client that meets a server of a CA which it does not trust yet is cut off.
_NEXT = {Stage.TRUST: Stage.CLIENTS, Stage.CLIENTS: Stage.SERVERS}


@dataclass
class Moved:
    """What one step of the rollover did."""

    stage: Stage | None
    reissued: list[Identity] = field(default_factory=list)
    # Their keys are on other machines, where their certificates must be carried.
    carried: list[Identity] = field(default_factory=list)
    backup: Path | None = None


def start(session: CaSession) -> Moved:
    """A new CA beside the old one: from now on both are trusted, and the old one still signs.

    Raises:
        Refused: a rollover is under way.
    """
    if session.rollover.stage is not None:
        raise errors.Refused("a CA rollover is under way already", hint="bringup pki rollover status")
    old, new = session.authority, authority.Authority.new(session.validity.ca_days, session.now)
    # Both are trusted before the new one signs: a machine with one CA only would refuse the other's certificates.
    session.trust(old.certificate, new.certificate)
    session.install(old, other=new, passphrase=session.ca_passphrase())
    return _enter(session, Moved(Stage.TRUST))


def advance(session: CaSession) -> Moved:
    """The next stage: certificates of the new CA for clients, then for servers.

    Raises:
        Refused: there is no rollover, or only `finish` is left.
    """
    stage = _NEXT.get(_stage(session))
    if stage is None:
        raise errors.Refused("clients and servers have certificates of the new CA", hint="bringup pki rollover finish")
    moved = Moved(stage)
    if stage is Stage.CLIENTS and session.other:
        old, new = session.authority, session.other
        session.install(new, other=old, passphrase=session.ca_passphrase())
    _reissue(session, moved, servers=stage is Stage.SERVERS)
    return _enter(session, moved)


def finish(session: CaSession) -> Moved:
    """Trust the new CA alone.

    Raises:
        Refused: a stage is missing, or an identity still has a certificate of the old CA.
    """
    stage = _stage(session)
    if stage is not Stage.SERVERS:
        raise errors.Refused(
            f"the rollover is at stage {stage.value}: no stage can be skipped", hint="bringup pki rollover advance"
        )
    # An identity that is listed here would be refused by every machine that trusts the new CA alone.
    if left := list(_of_old(session)):
        names = ", ".join(map(str, left))
        raise errors.Refused(
            f"these still have certificates of the old CA and would be cut off: {names}",
            hint=f"bringup pki renew {left[0]} --force; or revoke it: bringup pki revoke {left[0]}",
        )
    session.trust(session.authority.certificate)
    session.install(session.authority)
    return _enter(session, Moved(None))


def vouchers(session: CaSession) -> tuple[x509.Certificate, ...]:
    """Each of the two CAs of a rollover certified by the other; none where there is one CA.

    By them a host that trusts the one learns that it may trust the other, whatever brings it there.
    """
    one, other = session.authority, session.other
    if other is None:
        return ()
    pairs = ((one, other), (other, one))
    return tuple(
        profile.voucher(subject.certificate, issuer=by.certificate).sign(by.key, hashes.SHA256())
        for by, subject in pairs
    )


def _stage(session: CaSession) -> Stage:
    if session.rollover.stage is None:
        raise errors.Refused("no CA rollover is under way", hint="bringup pki rollover start")
    return session.rollover.stage


def _enter(session: CaSession, moved: Moved) -> Moved:
    state = session.rollover
    session.put(state.file, state.at(moved.stage, session.now), secret=True)
    session.publish_crl()
    moved.backup = session.commit(backup=True)
    return moved


def _reissue(session: CaSession, moved: Moved, *, servers: bool) -> None:
    """The same names and the same keys, signed by the new CA."""
    for identity, certificate in _holders(session):
        if identity.role.is_server is not servers or session.ledger.has_revoked_key(certificate.public_key()):
            continue
        session.certify(identity, setup.merge_sans(certificate, ()), certificate.public_key())
        here = session.store.files(identity).key.exists()
        (moved.reissued if here else moved.carried).append(identity)


def _of_old(session: CaSession) -> Iterator[Identity]:
    new = (session.authority.certificate,)
    return (identity for identity, certificate in _holders(session) if authority.signer_of(certificate, new) is None)


def _holders(session: CaSession) -> Iterator[tuple[Identity, x509.Certificate]]:
    """Everyone whose certificate is good today; what is revoked, expired or foreign stays as it is."""
    for identity in session.store.identities():
        certificate = session.store.certificate(identity)
        if certificate is None or certificate.not_valid_after_utc <= session.now:
            continue
        if authority.signer_of(certificate, session.trusted) and not session.ledger.is_revoked(certificate):
            yield identity, certificate
