"""`site join` on a host with systemd that is killed before any call of the system: the next one goes on."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from bringup_cli.commands import site_units
from bringup_cli.site.bundle import BundleRefused, Manifest
from bringup_cli.site.registry import HostRole
from tests.unit.bringup_cli.killing import Killed
from tests.unit.bringup_cli.site.conftest import NOW, Enrolling
from tests.unit.bringup_cli.site.fake_host import FakeHost

ROLES = (HostRole.WORKER, HostRole.TAILER)
# groupadd and useradd for 3 users; daemon-reload; enable and start 2 services and the target; the same for 2 timers.
CALLS = 3 * 2 + 1 + 2 * (1 + 3)
GREEN = 0


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeHost:
    monkeypatch.setattr(site_units, "now", lambda: NOW + timedelta(minutes=1))
    monkeypatch.setattr(site_units, "report_joining", lambda _folder: None)
    monkeypatch.setattr(site_units, "examine", lambda *_: None)
    monkeypatch.setattr("bringup_cli.commands.selftest.status_of", lambda _results: GREEN)
    return FakeHost(monkeypatch, tmp_path / "w1")


@pytest.fixture
def bundle(ca: Enrolling) -> tuple[Manifest, Mapping[str, bytes]]:
    found = ca.host("w1", *ROLES)
    return ca.manifest(found), ca.files(found)


def test_a_join_that_was_killed_before_any_call_of_the_system_goes_on(
    host: FakeHost, bundle: tuple[Manifest, Mapping[str, bytes]]
) -> None:
    for number in range(CALLS):
        host.kill(number)
        with pytest.raises(Killed):
            site_units.join_with_units(host.layout, *bundle, force=False)
        host.kill(None)
        assert site_units.join_with_units(host.layout, *bundle, force=False) == GREEN
        assert host.running == {
            **{unit: host.settings_of(unit) for unit in ("bringup-work@1.service", "bringup-tail@main.service")},
            **dict.fromkeys(("bringup.target", "bringup-renew.timer", "bringup-selftest@worker.timer"), ""),
        }
        assert set(host.running) <= host.enabled
        assert host.loaded
        host.forget()
    host.kill(None)
    site_units.join_with_units(host.layout, *bundle, force=False)
    assert len(host.calls) == CALLS


def test_a_host_that_joins_again_restarts_the_services_whose_settings_are_others(host: FakeHost, ca: Enrolling) -> None:
    found = ca.host("w1", *ROLES)
    site_units.join_with_units(host.layout, ca.manifest(found), ca.files(found), force=False)
    host.kill(None)
    site_units.join_with_units(host.layout, ca.manifest(found), ca.files(found), force=False)
    assert not [call for call in host.calls if "restart" in call]
    again = found.model_copy(
        update={"passwords": {**found.passwords, HostRole.WORKER: "another-password-of-the-worker"}}
    )
    site_units.join_with_units(host.layout, ca.manifest(again), ca.files(again), force=False)
    assert [call for call in host.calls if "restart" in call] == ["systemctl restart bringup-work@1.service"]
    assert "another-password-of-the-worker" in host.running["bringup-work@1.service"]


def test_a_host_that_is_the_first_of_a_site_is_not_joined(
    host: FakeHost, bundle: tuple[Manifest, Mapping[str, bytes]]
) -> None:
    host.layout.config.mkdir(parents=True)
    host.layout.site_settings.touch()
    with pytest.raises(BundleRefused, match="that of the first host of a site"):
        site_units.join_with_units(host.layout, *bundle, force=False)
    assert host.calls == []
