"""A CA with an enrolled host whose certificates are due, and an API that only remembers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import BaseModel

from bringup.wire.site import Enrollment, EnrollmentDecision, EnrollmentList, HostView, HostViewList, Trust, TrustView
from bringup_cli.site import enroll
from bringup_cli.site.registry import HostRole, Registry
from pki import profile
from pki.journal import Step, no_step
from pki.names import Identity, Role, sans_of
from pki.session import CaSession
from pki.store import Store
from tests.unit.pki.kit import NOW, open_session

LIFE_DAYS = 30
LATER = NOW + timedelta(days=21)  # past two thirds
W1, W1_HOST = Identity(Role.WORKER, "w1"), Identity(Role.HOST, "w1")
R1 = Identity(Role.REDIS, "r1")


class FakeApi:
    """What the API keeps, and what was put there."""

    def __init__(self) -> None:
        self.waiting: dict[str, Enrollment] = {}
        self.decided: dict[str, EnrollmentDecision] = {}
        self.trust: list[Trust] = []
        self.reports: tuple[HostView, ...] = ()
        self.before_put: Callable[[], None] = lambda: None

    def get(self, path: str, _reply: type[BaseModel]) -> Any:
        if path == "/hosts":
            return HostViewList(hosts=self.reports)
        return EnrollmentList(enrollments=tuple(self.waiting.values()))

    def put(self, path: str, body: Any, _reply: type[BaseModel]) -> TrustView:
        self.before_put()
        if path == "/trust":
            self.trust.append(body)
        else:
            name = path.rpartition("/")[2]
            self.decided[name] = body
            del self.waiting[name]
        return TrustView(published=True)

    def ask(self, asked: Enrollment) -> None:
        self.waiting[asked.id] = asked


@contextmanager
def at_ca(store: Store, *, step: Step = no_step) -> Iterator[CaSession]:
    with open_session(store, LATER, days=LIFE_DAYS, step=step) as session:
        yield session


def enrolled(store: Store) -> Registry:
    """A worker and a Redis host, with certificates from `NOW` on."""
    registry = Registry(keeper="k" * 32)
    with open_session(store, NOW, days=LIFE_DAYS) as session:
        for name, role, sans in (("w1", HostRole.WORKER, ()), ("r1", HostRole.REDIS, ("r1.example.net",))):
            host = registry.enrolled(name, [role], sans, now=NOW, use_until=NOW + timedelta(days=1))
            registry = registry.with_host(host)
            enroll.certify(session, host, None, renew_days=0)
        registry.put(session)
        session.commit()
    return registry


def asked(
    store: Store,
    identity: Identity,
    presenter: Identity | None = None,
    *,
    sans: tuple[x509.GeneralName, ...] = (),
    number: int = 1,
) -> Enrollment:
    """A request for an identity with a new key, as the API has it."""
    presented, present = store.certificate(presenter or identity), store.certificate(identity)
    assert presented is not None
    names = sans or (sans_of(present) if present else ())
    builder = x509.CertificateSigningRequestBuilder().subject_name(presented.subject)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    request = builder.sign(profile.new_key(), hashes.SHA256())
    return Enrollment(
        id=f"{number:064x}",
        identity=identity.dns,
        presenter=(presenter or identity).dns,
        presenter_serial=f"{presented.serial_number:X}",
        request=request.public_bytes(Encoding.PEM).decode(),
        received_at=LATER,
    )
