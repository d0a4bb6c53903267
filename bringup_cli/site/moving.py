"""A rollover of a site moves on when every host has come along: by what the hosts themselves have reported."""

import hashlib
import json
from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bringup.wire.site import HostReport
from bringup_cli.site.decide import Reports
from bringup_cli.site.enroll import CA_CLIENT
from bringup_cli.site.registry import Host, Registry
from pki import errors, files, rollover
from pki.authority import key_id
from pki.rollover import Moved
from pki.session import CaSession
from pki.store import Stage, Store


def move_on(session: CaSession, registry: Registry, reports: Reports) -> tuple[Moved | None, list[str]]:
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


def trusted_by(store: Store) -> dict[str, list[str]]:
    """The names of the CAs that each host has reported to trust. Raises Damaged, NotSetUp."""
    names = {_digest(one): one.subject.rfc4514_string().removeprefix("CN=") for one in store.authorities()}
    reports = read_reports(store)
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
    signer = key_id(session.authority.certificate)
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
