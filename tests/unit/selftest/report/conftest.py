"""A run of the self-test with made-up results, over a PKI of its own, at a time of its own."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from pki.check import Finding, ok
from pki.store import Store
from selftest.case import CaseResult
from selftest.checks import CATALOG
from selftest.report import Results
from selftest.target_installation import TargetInstallation
from tests.conftest import MakeSettings
from tests.unit.pki import kit
from tests.unit.selftest.report.made_up import STRONG

MakeResults = Callable[..., Results]
PRODUCTION = {"environment": "production", "redis_use_tls": True, "api_use_tls": True, **STRONG}


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A PKI with its three standard identities, valid for 90 days. No test changes it."""
    return kit.init_pki(tmp_path_factory.mktemp("report") / "pki", crl_days=7)


@pytest.fixture
def store(ready: Store, tmp_path: Path) -> Store:
    """Such a PKI that a test may change."""
    return kit.copy_of(ready, tmp_path / "pki")


@pytest.fixture
def make_results(
    make_settings: MakeSettings, target: TargetInstallation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> MakeResults:
    """Results of every check, all of them good, but for those that are given; in production, but for what is given."""
    monkeypatch.chdir(tmp_path)

    def make(
        findings: Iterable[tuple[str, Finding]] = (),
        because: Mapping[str, str] = MappingProxyType({}),
        origins: Mapping[str, str] = MappingProxyType({}),
        **changes: object,
    ) -> Results:
        settings = make_settings().model_copy(update={"pki_dir": tmp_path / "pki", **PRODUCTION, **changes})
        other = dict(findings)
        results = [CaseResult(one, other.get(one.id, ok("fine")), 0.1, because.get(one.id, "")) for one in CATALOG]
        made = replace(target, settings=settings, now=lambda: kit.NOW, origins=origins)
        made.redis.detected, made.api.detected = target.redis.detected, target.api.detected
        return Results(made, results, redis_lines=("port 0", "tls-port 6379"))

    return make
