"""A CA, the settings of a site, and hosts that are enrolled without commands and without encryption."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bringup.settings import Settings
from bringup_cli.site import enroll
from bringup_cli.site.bundle import MANIFEST, Manifest, pack
from bringup_cli.site.layout import HostLayout
from bringup_cli.site.registry import Host, HostRole, Registry
from pki.names import STANDARD
from pki.session import CaSession
from pki.setup import Wanted, set_up
from pki.store import Store
from tests.unit.bringup_cli.site.ca_host import CaHost
from tests.unit.pki.kit import copy_of

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
SERVERS = {HostRole.REDIS, HostRole.API, HostRole.IMAGES, HostRole.CONSOLE}


@dataclass
class Enrolling:
    """The CA's host."""

    store: Store
    settings: Settings

    def host(
        self,
        name: str,
        *roles: HostRole,
        now: datetime = NOW,
        requests: enroll.Requests | None = None,
        sans: tuple[str, ...] = (),
    ) -> Host:
        """Enroll a host, as the command does."""
        sans = (*sans, "h1.example.net") if SERVERS & set(roles) else ()
        with CaSession.open(self.store, "test", now) as session:
            registry = Registry.read(self.store)
            found = registry.enrolled(name, roles, sans, now=now, use_until=now + timedelta(hours=24))
            enroll.certify(session, found, requests, renew_days=30)
            registry.with_host(found).model_copy(update={"keeper": registry.keeper or "k" * 32}).put(session)
            session.commit()
        return found

    def files(self, host: Host, *, with_keys: bool = True) -> dict[str, bytes]:
        """What it gets."""
        registry = Registry.read(self.store)
        return enroll.bundle_files(self.store, registry, self.settings, host, with_keys=with_keys)

    def bundle(self, host: Host, now: datetime = NOW) -> bytes:
        """Its file, before it is encrypted."""
        return pack(enroll.manifest_of(host, now), self.files(host))

    def manifest(self, host: Host, now: datetime = NOW) -> Manifest:
        return enroll.manifest_of(host, now)


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A PKI before any host; no test changes it. Making one takes twenty times as long as copying one."""
    store = Store(tmp_path_factory.mktemp("ready-site") / "pki")
    with CaSession.open(store, "test", NOW, init=True) as session:
        set_up(session, [Wanted(one) for one in STANDARD])
    return store


@pytest.fixture
def ca(ready: Store, tmp_path: Path, make_settings: Callable[..., Settings]) -> Enrolling:
    store = copy_of(ready, tmp_path / "ca-host/pki")
    settings = make_settings(
        pki_dir=store.root, redis_use_tls=True, api_use_tls=True, bmc_tries=7, dhcp_source="isc-log", image_port=5001
    )
    return Enrolling(store, settings)


@pytest.fixture
def host(tmp_path: Path, ca: Enrolling, monkeypatch: pytest.MonkeyPatch) -> CaHost:
    layout = HostLayout(tmp_path / "etc", tmp_path / "var")
    for path in (layout.config, layout.state):
        path.mkdir()
    (layout.config / MANIFEST).write_text(ca.manifest(ca.host("h1", HostRole.API)).model_dump_json())
    return CaHost(layout, monkeypatch)
