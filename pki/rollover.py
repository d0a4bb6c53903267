"""Replacing the CA without an outage: trust both, move the clients, move the servers, drop the old.

Trust comes first everywhere: a machine that meets a certificate of a CA that it does not know yet is cut off.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from pki.authority import Authority, signer_of
from pki.errors import Refused
from pki.names import Identity
from pki.rollover_state import Stage
from pki.session import Ceremony
from pki.setup import together

_NEXT = {Stage.TRUST: Stage.CLIENTS, Stage.CLIENTS: Stage.SERVERS}


@dataclass
class Moved:
    """What a step of the rollover has done."""

    stage: Stage | None
    reissued: list[Identity] = field(default_factory=list)
    carried: list[Identity] = field(default_factory=list)  # their keys, and so their certificates, live elsewhere
    aside: Path | None = None


def start(sitting: Ceremony) -> Moved:
    """A new CA beside the old one: from now on both are trusted, and the old one still signs.

    Raises:
        Refused: a rollover is under way.
    """
    if sitting.rollover.stage is not None:
        raise Refused("a CA rollover is under way already", hint="bringup pki rollover status")
    old, new = sitting.authority, Authority.new(sitting.validity.ca_days, sitting.now)
    sitting.trust(old.certificate, new.certificate)
    sitting.install(old, other=new, passphrase=sitting.ca_passphrase())
    return _enter(sitting, Moved(Stage.TRUST))


def advance(sitting: Ceremony) -> Moved:
    """The next stage: certificates of the new CA for clients, then for servers.

    Raises:
        Refused: there is no rollover, or only `finish` is left.
    """
    stage = _NEXT.get(_stage(sitting))
    if stage is None:
        raise Refused("clients and servers have certificates of the new CA", hint="bringup pki rollover finish")
    moved = Moved(stage)
    if stage is Stage.CLIENTS and sitting.other:
        old, new = sitting.authority, sitting.other
        sitting.install(new, other=old, passphrase=sitting.ca_passphrase())
    _reissue(sitting, moved, servers=stage is Stage.SERVERS)
    return _enter(sitting, moved)


def finish(sitting: Ceremony) -> Moved:
    """Trust the new CA alone.

    Raises:
        Refused: a stage is missing, or somebody still has a certificate of the old CA.
    """
    stage = _stage(sitting)
    if stage is not Stage.SERVERS:
        raise Refused(
            f"the rollover is at stage {stage.value}: no stage can be skipped", hint="bringup pki rollover advance"
        )
    if left := list(_of_old(sitting)):
        names = ", ".join(map(str, left))
        raise Refused(
            f"these still have certificates of the old CA and would be cut off: {names}",
            hint=f"bringup pki renew {left[0]} --force; or revoke it: bringup pki revoke {left[0]}",
        )
    sitting.trust(sitting.authority.certificate)
    sitting.install(sitting.authority)
    return _enter(sitting, Moved(None))


def _stage(sitting: Ceremony) -> Stage:
    if sitting.rollover.stage is None:
        raise Refused("no CA rollover is under way", hint="bringup pki rollover start")
    return sitting.rollover.stage


def _enter(sitting: Ceremony, moved: Moved) -> Moved:
    state = sitting.rollover
    sitting.put(state.file, state.at(moved.stage, sitting.now), secret=True)
    sitting.publish_crl()
    moved.aside = sitting.commit(keep_replaced=True)
    return moved


def _reissue(sitting: Ceremony, moved: Moved, *, servers: bool) -> None:
    """The same names and the same keys, signed by the new CA."""
    for identity, certificate in _holders(sitting):
        if identity.role.is_server is not servers or sitting.record.has_revoked_key(certificate.public_key()):
            continue
        sitting.certify(identity, together(certificate, ()), certificate.public_key())
        here = sitting.store.files(identity).key.exists()
        (moved.reissued if here else moved.carried).append(identity)


def _of_old(sitting: Ceremony) -> Iterator[Identity]:
    new = (sitting.authority.certificate,)
    return (identity for identity, certificate in _holders(sitting) if signer_of(certificate, new) is None)


def _holders(sitting: Ceremony) -> Iterator[tuple[Identity, x509.Certificate]]:
    """Everyone whose certificate is good today; what is revoked, expired or foreign stays as it is."""
    for identity in sitting.store.identities():
        certificate = sitting.store.certificate(identity)
        if certificate is None or certificate.not_valid_after_utc <= sitting.now:
            continue
        if signer_of(certificate, sitting.trusted) and not sitting.record.is_revoked(certificate):
            yield identity, certificate
