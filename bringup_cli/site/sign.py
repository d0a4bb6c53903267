"""One pass of the CA's host over the site: sign what is due, publish what is trusted, move a rollover on.

The CA's host opens no port: it asks the API, with a certificate of its own. A pass that is killed between any two
lines loses nothing: what was signed is kept until the API has it, and the next pass returns it.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from bringup.connections.api_client import ApiClient
from bringup.errors import ApiRejected
from bringup.wire.site import Enrollment, EnrollmentDecision, EnrollmentList, HostViewList, Trust, TrustView
from bringup_cli.site import decide, enroll, registry
from pki import authority, errors, files, names, renew, rollover
from pki.session import CaSession
from pki.store import Stage, Store

OpenSession = Callable[[], AbstractContextManager[CaSession]]


@dataclass
class Pass:
    """What one pass did."""

    signed: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)  # by identity: why
    stage: Stage | None = None  # of a CA rollover that is under way
    waits_for: list[str] = field(default_factory=list)  # what keeps the rollover at its stage


def prepare(session: CaSession) -> None:
    """Renew what the CA's host itself needs: its certificate for the API, and the revocation list."""
    present = session.store.certificate(enroll.CA_CLIENT)
    start, end = (present.not_valid_before_utc, present.not_valid_after_utc) if present else (session.now,) * 2
    of_signer = present is not None and present.issuer == session.authority.certificate.subject
    issued = decide.from_issuing(start, end, enroll.CA_CLIENT)
    if (
        present is None
        or not of_signer
        or renew.is_due(issued, end, session.now, 0)
        or session.ledger.is_revoked(present)
    ):
        session.issue(enroll.CA_CLIENT, ())
    if renew.crl_is_due(session):
        session.publish_crl()
    session.commit()


def run_pass(open_session: OpenSession, api: ApiClient) -> Pass:
    """One pass; `prepare` was called before.

    Args:
        open_session: at the CA: it is open for moments only, so that a person's command need not wait for the network.
        api: with the certificate of the CA's host.

    Raises:
        ApiUnavailable, ApiRejected: nothing is lost; the next pass does it.
        PkiError: the CA cannot sign now.
    """
    done = Pass()
    publish(open_session, api)  # before anything is signed by a CA that hosts may not trust yet
    reports = {view.name: view.report for view in api.get("/hosts", HostViewList).hosts}
    for asked in api.get("/enrollments", EnrollmentList).enrollments:
        _answer(open_session, api, reports, asked, done)
    with open_session() as session:
        decide.write_reports(session, reports)
        moved, done.waits_for = decide.move_on(session, registry.Registry.read(session.store), reports)
        done.stage = session.rollover.stage if moved is None else moved.stage
    if moved is not None:
        with open_session() as session:
            prepare(session)
        publish(open_session, api)
    return done


def publish(open_session: OpenSession, api: ApiClient) -> None:
    """Post trust anchors and revocation lists as they are now. Raises as `run_pass` does."""
    with open_session() as session:
        trust = trust_of(session)
    api.put("/trust", trust, TrustView)


def trust_of(session: CaSession) -> Trust:
    """Trust anchors and revocation lists as they are now. Raises Damaged, CaKeyLocked."""
    return Trust(
        anchors=authority.pem(*session.trusted).decode(),
        vouchers=authority.pem(*rollover.vouchers(session)).decode(),
        crl=files.read(session.store.ca_crl).decode(),
        issuer=authority.key_id(session.authority.certificate),
    )


def _answer(open_session: OpenSession, api: ApiClient, reports: decide.Reports, asked: Enrollment, done: Pass) -> None:
    with open_session() as session:
        decision = _decide(session, reports, asked)
    try:
        api.put(f"/enrollments/{asked.id}", decision, TrustView)
    except ApiRejected as error:
        decision = EnrollmentDecision(reason=f"the API does not take it: {error}")  # the client asked for another key
    _kept(Store(session.store.root), asked).unlink(missing_ok=True)
    if decision.certificate:
        done.signed.append(asked.identity)
    else:
        done.refused[asked.identity] = decision.reason


def _decide(session: CaSession, reports: decide.Reports, asked: Enrollment) -> EnrollmentDecision:
    kept = _kept(session.store, asked)
    if kept.exists():  # signed by a pass that was killed before the API had it
        return EnrollmentDecision(certificate=files.read(kept).decode())
    try:
        identity, request = decide.wanted(session, registry.Registry.read(session.store), reports, asked)
        if before := _answered(session, identity, request):
            return EnrollmentDecision(certificate=authority.pem(before).decode())
        sans = names.sans_of(request)
        if session.store.certificate(identity) is None:
            certificate = session.sign(identity, sans, request.public_key())
        else:
            certificate = session.certify(identity, sans, request.public_key())
            if (key := session.store.files(identity).key).exists():
                session.drop(key)  # it fits no longer: the key is on the host alone from now on
    except (errors.Refused, errors.InvalidInput) as error:
        return EnrollmentDecision(reason=str(error)[:500])
    except (ValueError, TypeError):  # one that nobody can read must not keep the others from being renewed
        return EnrollmentDecision(reason="the request cannot be read")
    text = authority.pem(certificate)
    session.put(kept, text, secret=True)
    session.commit()
    return EnrollmentDecision(certificate=text.decode())


def _answered(
    session: CaSession, identity: names.Identity, request: x509.CertificateSigningRequest
) -> x509.Certificate | None:
    """The certificate that the same request had, if it is not due yet: of another pass, or replayed."""
    present = session.store.certificate(identity)
    if present is None or present.public_key() != request.public_key():
        return None
    entries = session.ledger.find(f"{present.serial_number:X}")
    return present if any(decide.due_at(session, entry) for entry in entries) else None


def _kept(store: Store, asked: Enrollment) -> Path:
    """Where a certificate is until the API has it."""
    return store.state / "enrollments" / f"{asked.id}.pem"
