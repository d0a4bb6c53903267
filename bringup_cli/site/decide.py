"""What the CA decides alone: whether it renews what a host has asked for, and whether a rollover moves on.

It renews only what it knows, unchanged, and what is due. A rollover moves on when every host has come along, by what
the hosts themselves have reported.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bringup.wire.site import Enrollment, HostReport
from bringup_cli.site.enroll import CA_CLIENT
from bringup_cli.site.registry import Host, Registry
from pki import authority, csr, errors, files, profile, rollover
from pki.ledger import Entry, Ledger
from pki.names import Identity, Role, San, parse_identity, san_text
from pki.session import CaSession
from pki.store import Stage, Store

# The share of its life after which a certificate is renewed: clients ask after two thirds, by their own clocks; one
# that asks at each minute from its first day on must not fill the ledger.
_EARLIEST = 0.5

Reports = Mapping[str, HostReport]


def wanted(
    session: CaSession, registry: Registry, reports: Reports, asked: Enrollment
) -> tuple[Identity, x509.CertificateSigningRequest]:
    """The identity that is renewed, and the request for it. Every claim of the API is checked by what the CA knows.

    Args:
        session: at the CA; nothing is changed in it.
        registry: the hosts of the site.
        reports: what each host has, by its name.
        asked: as the API has it.

    Raises:
        InvalidInput: the request is none, or of a weak key.
        Refused: it must not be signed.
    """
    request = csr.read_request(asked.request.encode(), f"the request of {asked.presenter}")
    identity, sans = _names(request)
    presented = _presented(session, asked)
    _check_host(registry, presented.identity, identity)
    latest = _latest(session.ledger, identity)
    if set(latest.sans) != set(map(san_text, sans)):
        raise errors.Refused(f"the names of {identity.dns} have changed: those on record are {', '.join(latest.sans)}")
    held = presented if presented.identity == identity else _held(session.ledger, reports, asked, identity) or latest
    _check_due(session, held)
    if identity.is_standard and session.store.files(identity).key.exists():
        raise errors.Refused(f"{identity.dns} is renewed where its key is, at the CA", hint="bringup pki renew")
    return identity, request


def _names(request: x509.CertificateSigningRequest) -> tuple[Identity, tuple[San, ...]]:
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        raise errors.InvalidInput("the request has no names that can be read") from None
    sans = tuple(name for name in names if isinstance(name, (x509.DNSName, x509.IPAddress)))
    found = [one for name in sans if isinstance(name, x509.DNSName) and (one := parse_identity(name.value))]
    if len(found) != 1 or len(sans) != len(names):
        raise errors.InvalidInput("the request names no identity of this PKI, or more than one, or other things")
    return found[0], sans


def _presented(session: CaSession, asked: Enrollment) -> Entry:
    """The certificate that was presented, as the ledger has it."""
    serial = int(asked.presenter_serial, 16)
    entry = next((one for one in session.ledger.entries if int(one.serial, 16) == serial), None)
    if entry is None or entry.identity is None or entry.identity.dns != asked.presenter:
        raise errors.Refused(f"the certificate that {asked.presenter} has presented is not known here")
    if entry.revoked_at or entry.not_after <= session.now:
        raise errors.Refused(f"the certificate that {asked.presenter} has presented was revoked or has ended")
    return entry


def _check_host(registry: Registry, presenter: Identity | None, identity: Identity) -> None:
    host = registry.hosts.get(presenter.name) if presenter else None
    if host and host.revoked_at and presenter in host.identities:
        raise errors.Refused(f"{host.name} was revoked")
    if presenter == identity:
        return
    if presenter is None or presenter.role is not Role.HOST or host is None or identity not in host.identities:
        raise errors.Refused(f"{identity.dns} is no identity of that host", hint="bringup site enroll")


def _latest(ledger: Ledger, identity: Identity) -> Entry:
    entries = [one for one in ledger.entries if one.identity == identity]
    if not entries:
        raise errors.Refused(f"{identity.dns} was never issued here")
    latest = max(entries, key=lambda one: one.issued_at)
    if latest.revoked_at:
        raise errors.Refused(f"{identity.dns} was revoked on {latest.revoked_at:%Y-%m-%d}")
    return latest


def _held(ledger: Ledger, reports: Reports, asked: Enrollment, identity: Identity) -> Entry | None:
    """What its host uses now: a certificate that was issued and never arrived there does not count."""
    report = reports.get(asked.presenter.partition(".")[0])
    certificate = report.certificates.get(identity.dns) if report else None
    if certificate is None:
        return None
    serial = int(certificate.serial, 16)
    return next((e for e in ledger.entries if e.identity == identity and int(e.serial, 16) == serial), None)


def _check_due(session: CaSession, held: Entry) -> None:
    if due := due_at(session, held):
        raise errors.Refused(f"the present certificate is not due before {due:%Y-%m-%d %H:%M:%S} UTC")


def due_at(session: CaSession, held: Entry) -> datetime | None:
    """When it will be due; None: it is."""
    start = from_issuing(held.not_before, held.not_after, held.identity)
    due = start + (held.not_after - start) * _EARLIEST
    of_signer = held.issuer == authority.key_id(session.authority.certificate)
    return due if of_signer and session.now < due else None


def from_issuing(start: datetime, end: datetime, identity: Identity | None) -> datetime:
    """When a certificate was issued: its validity begins earlier than that, for clocks that are wrong.

    Args:
        start: of its validity.
        end: of its validity.
        identity: the holder.
    """
    issued = start + profile.backdate(identity.role) if identity else start
    return issued if issued < end else start


def move_on(session: CaSession, registry: Registry, reports: Reports) -> tuple[rollover.Moved | None, list[str]]:
    """The next stage of a rollover, if every host is at the present one; else what it waits for.

    Args:
        session: at the CA; committed here.
        registry: the hosts of the site.
        reports: what each host has, by its name.

    Raises:
        Refused, Damaged: the CA cannot sign now.
    """
    stage = session.rollover.stage
    if stage is None:
        return None, []
    if blockers := list(waits_for(session, registry, reports)):
        return None, blockers
    return (rollover.finish if stage is Stage.SERVERS else rollover.advance)(session), []


def waits_for(session: CaSession, registry: Registry, reports: Reports) -> Iterator[str]:
    """What is not yet at the stage of the rollover, one line each; arguments as `move_on`."""
    yield from hosts_behind(session, registry, reports)
    if session.rollover.stage is Stage.SERVERS:
        yield from _others(session, registry)


def hosts_behind(session: CaSession, registry: Registry, reports: Reports) -> Iterator[str]:
    """The hosts that the next stage of the rollover would cut off, one line each; arguments as `move_on`."""
    stage = session.rollover.stage
    for host in registry.hosts.values():
        if not host.revoked_at and stage is not None and (why := _behind(session, host, reports.get(host.name), stage)):
            yield f"{host.name}: {why}"


def check_hosts(session: CaSession) -> None:
    """Refuse the next stage of a rollover that a person asks for, while a host would be cut off by it.

    Raises:
        Refused: a host is behind.
    """
    registry, reports = Registry.read(session.store), read_reports(session.store)
    if behind := list(hosts_behind(session, registry, reports)):
        raise errors.Refused(
            f"the rollover waits for {'; '.join(behind)}",
            hint="bringup site sign goes on by itself; a host that is gone: bringup site revoke HOST",
        )


def write_reports(session: CaSession, reports: Reports) -> None:
    """Keep what the hosts have, for `bringup site status`; written only when it has changed."""
    text = json.dumps({name: report.model_dump(mode="json") for name, report in sorted(reports.items())}, indent=1)
    path = session.store.state / _FILE
    if not path.exists() or files.read(path) != text.encode():
        session.put(path, text.encode(), secret=True)
        session.commit()


def read_reports(store: Store) -> Reports:
    """What `write_reports` has kept; empty where there is nothing."""
    path = store.state / _FILE
    if not path.exists():
        return {}
    return {name: HostReport.model_validate(one) for name, one in json.loads(files.read(path)).items()}


_FILE = "site-reports.json"


def trusted_by(store: Store, newest: Reports) -> dict[str, list[str]]:
    """The names of the CAs that each host has reported to trust.

    Args:
        store: of the CA, with the reports that its timer has kept.
        newest: those of the API, where it answers.

    Raises:
        Damaged, NotSetUp: the CA cannot be read.
    """
    names = {_digest(one): one.subject.rfc4514_string().removeprefix("CN=") for one in store.authorities()}
    reports = {**read_reports(store), **newest}
    return {host: [names.get(one, f"another, {one[:12]}") for one in found.anchors] for host, found in reports.items()}


def _digest(authority: x509.Certificate) -> str:
    return hashlib.sha256(authority.public_bytes(Encoding.DER)).hexdigest()


def _behind(session: CaSession, host: Host, report: HostReport | None, stage: Stage) -> str:
    if report is None:
        return "it has not reported yet: is the timer of `bringup site renew` running there?"
    if not set(map(_digest, session.trusted)) <= set(report.anchors):
        return "it does not trust both CAs yet"
    if stage is Stage.TRUST:
        return ""
    signer = authority.key_id(session.authority.certificate)
    for identity in host.identities:
        held = report.certificates.get(identity.dns)
        if stage is Stage.CLIENTS and identity.role.is_server:
            continue
        if held is None or held.issuer != signer:
            return f"{identity.dns} has no certificate of the new CA yet"
    return ""


def _others(session: CaSession, registry: Registry) -> Iterator[str]:
    """Identities of no host: whether their new files were carried to where they are used is known to people alone."""
    of_hosts = {identity for host in registry.hosts.values() for identity in host.identities}
    for identity in session.store.identities():
        if identity not in of_hosts and not identity.is_standard and identity != CA_CLIENT:
            yield f"{identity.dns}: carry its new files to where it is used, then: bringup pki rollover finish"
