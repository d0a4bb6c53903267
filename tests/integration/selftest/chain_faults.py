"""The faults of the chain from a lease to a machine: who reads, who works, what is stuck, what is reached."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bringup import keys
from bringup.connections.redis_client import redis_now
from bringup.quarantine import QuarantineEntry
from bringup.tailers import TailerReport
from selftest.case import Case
from selftest.checks import CATALOG
from tests.conftest import free_port
from tests.integration.selftest.faults import Inject, fault
from tests.integration.selftest.site import Changes, Site
from tests.integration.workers.site import eventually

CASES: list[Case] = [case for case in CATALOG if case.id.startswith(("chain.", "3a", "3b", "1a", "8"))]


@contextmanager
def no_worker(site: Site) -> Iterator[Changes]:
    site.stack.stop("work")
    try:
        yield {}
    finally:
        site.stack.start("work")
        site.await_chain()


@contextmanager
def no_worker_on_boots(site: Site) -> Iterator[Changes]:
    """The threads of one queue have ended; rq forgets them."""
    known = sorted(site.keeper.smembers("rq:workers:boots"))
    site.keeper.delete("rq:workers:boots")
    try:
        yield {}
    finally:
        site.keeper.sadd("rq:workers:boots", *known)


@contextmanager
def killed_workers(site: Site) -> Iterator[Changes]:
    """Minutes ago; their records are still there."""
    known = sorted(site.keeper.smembers("rq:workers:leases"))
    site.keeper.delete("rq:workers:leases")
    site.keeper.sadd("rq:workers:leases", "rq:worker:killed")
    site.keeper.hset("rq:worker:killed", "last_heartbeat", "2026-01-01T00:00:00.000000Z")
    try:
        yield {}
    finally:
        site.keeper.delete("rq:workers:leases", "rq:worker:killed")
        site.keeper.sadd("rq:workers:leases", *known)


@contextmanager
def _stopped(site: Site) -> Iterator[None]:
    """The tailer reports nothing, and then again."""
    os.kill(site.stack.pid("tail"), signal.SIGSTOP)
    try:
        yield
    finally:
        site.keeper.delete(keys.TAILERS)
        os.kill(site.stack.pid("tail"), signal.SIGCONT)
        site.await_chain()


@contextmanager
def no_tailer(site: Site) -> Iterator[Changes]:
    with _stopped(site):
        site.keeper.delete(keys.TAILERS)
        yield {}


def tailer(**changes: object) -> Inject:
    """It has reported something else last."""

    @contextmanager
    def inject(site: Site) -> Iterator[Changes]:
        with _stopped(site):
            stored: Mapping[bytes, bytes] = site.keeper.hgetall(keys.TAILERS)  # type: ignore[assignment]
            [(name, text)] = stored.items()
            report = TailerReport.model_validate_json(text).model_dump(mode="json") | changes
            site.keeper.hset(keys.TAILERS, name, TailerReport.model_validate(report).model_dump_json())
            yield {}

    return inject


@contextmanager
def no_lease_file(site: Site) -> Iterator[Changes]:
    path, away = site.folder / "dnsmasq.log", site.folder / "dnsmasq.log.away"
    path.rename(away)
    try:
        _await_report(site, problem=True)
        yield {}
    finally:
        away.rename(path)
        _await_report(site, problem=False)


def _await_report(site: Site, *, problem: bool) -> None:
    def reported() -> bool:
        stored: Mapping[bytes, bytes] = site.keeper.hgetall(keys.TAILERS)  # type: ignore[assignment]
        return [bool(TailerReport.model_validate_json(text).problem) for text in stored.values()] == [problem]

    eventually(reported, 60, f"the tailer reports {'a' if problem else 'no'} problem")


@contextmanager
def a_failed_job(site: Site) -> Iterator[Changes]:
    site.keeper.zadd("rq:failed:boots", {"a-job": 4_000_000_000})
    try:
        yield {}
    finally:
        site.keeper.delete("rq:failed:boots")


@contextmanager
def a_job_in_quarantine(site: Site) -> Iterator[Changes]:
    entry = QuarantineEntry(job_id="x1", queue="boots", reason="it is no JSON", at=redis_now(site.keeper))
    site.keeper.hset(keys.QUARANTINE, "x1", entry.model_dump_json())
    try:
        yield {}
    finally:
        site.keeper.delete(keys.QUARANTINE)


def bmc(port_of: str, fingerprint_of: str = "") -> Inject:
    """The inventory names one BMC. ``fingerprint_of``: a file of the PKI whose fingerprint it has."""

    @contextmanager
    def inject(site: Site) -> Iterator[Changes]:
        port = site.settings.callback_api_port if port_of == "api" else free_port()
        path = site.folder / "one-bmc.toml"
        lines = ['[[device]]\nname = "srv-1"\nnic_macs = ["02:5c:00:00:00:01"]', f'bmc = "https://127.0.0.1:{port}"']
        if fingerprint_of:
            certificate = x509.load_pem_x509_certificate((site.store.root / fingerprint_of).read_bytes())
            lines.append(f'bmc_fingerprint = "{sha256(certificate.public_bytes(Encoding.DER)).hexdigest()}"')
        path.write_text("\n".join(lines) + "\n")
        yield {"devices_file": path}

    return inject


WORKERS, TAILERS, JOBS, BMCS = ({f"chain.{name}"} for name in ("workers", "tailers", "jobs", "bmcs"))
A_GOOD_BMC = bmc("api", "api/api-cert.pem")
ANYWHERE = (
    fault("no worker", no_worker, WORKERS, "chain.workers", "no worker serves", "leases", "boots", "bringup work"),
    fault("no worker on boots", no_worker_on_boots, WORKERS, "chain.workers", "no worker serves boots (0 jobs wait)"),
    fault("workers that were killed", killed_workers, WORKERS, "chain.workers", "no worker serves leases"),
    fault("no tailer", no_tailer, TAILERS, "chain.tailers", "no tailer reports", "bringup tail"),
    fault(
        "a tailer that is silent", tailer(at="2026-11-29T00:00:00Z"), TAILERS, "chain.tailers", "has been silent for"
    ),
    fault("a tailer that is behind", tailer(behind_s=90), TAILERS, "chain.tailers", "has been behind for 90 s"),
    fault("a lease file that is gone", no_lease_file, TAILERS, "chain.tailers", "cannot read it", "DHCP_PATH"),
    fault("a job in quarantine", a_job_in_quarantine, JOBS, "chain.jobs", "x1 of the queue boots", "queues requeue x1"),
)
WITH_TLS = (
    *ANYWHERE,
    fault("BMCs that are not reached", bmc(""), BMCS, "chain.bmcs", "1 of 1 BMCs", "srv-1", "bringup bmc check srv-1"),
    fault(
        "a BMC of another certificate", bmc("api", "redis/redis-cert.pem"), BMCS, "chain.bmcs", "srv-1", "fingerprint"
    ),
)
