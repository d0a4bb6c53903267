"""``bringup site upgrade`` and ``rollback``: what keeps them from touching a host, and what their actions require."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from bringup_cli.commands import selftest, site_upgrade
from bringup_cli.site import upgrade_bundle
from bringup_cli.site.actions import SiteHost
from bringup_cli.site.host_system import HostCommandFailed
from bringup_cli.site.registry import HostRole
from bringup_cli.site.upgrade import STATE_FILE
from bringup_cli.site.upgrade_bundle import UpgradeRefused
from pki.errors import Locked
from tests.unit.bringup_cli.site.ca_host import CaHost

H2 = SiteHost("h2", (HostRole.API,))


def test_an_upgrade_and_its_rollback_act_on_the_host(host: CaHost) -> None:
    assert host.upgrade().exit_code == 0
    assert "h1 switch api" in host.done
    host.done.clear()
    assert host.rollback().exit_code == 0
    assert "h1 switch api" in host.done


def test_while_one_runs_neither_an_upgrade_nor_a_rollback_begins(host: CaHost) -> None:
    assert host.upgrade().exit_code == 0
    host.done.clear()
    with host.site().locked("site"):
        assert isinstance(host.upgrade().exception, Locked)
        assert isinstance(host.rollback().exception, Locked)
    assert (host.done, host.unpacked) == ([], 1)


def test_a_program_that_no_package_has_installed_upgrades_nothing(
    host: CaHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/opt/bringup/bin/bringup"])
    assert isinstance(host.upgrade().exception, HostCommandFailed)
    assert (host.done, host.unpacked) == ([], 0)


def test_without_a_way_to_the_other_hosts_nothing_is_done(host: CaHost) -> None:
    host.hosts = [*host.hosts, H2]
    shown = host.upgrade()
    assert (shown.exit_code, host.done) == (0, [])
    assert shown.output.startswith("Nothing was changed")
    assert not (host.site().folder / STATE_FILE).exists()


def test_a_bundle_that_is_received_must_be_the_one_that_was_verified(
    host: CaHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Path, str | None]] = []
    monkeypatch.setattr(upgrade_bundle, "verified", lambda folder, *, digest: seen.append((folder, digest)))
    site_upgrade._on_this_host(host.site(), "receive", "d1")
    assert seen == [(host.site().bundle, "d1")]


@pytest.mark.parametrize(("failures", "passes"), [(0, True), (1, True), (2, False)])
def test_a_self_test_that_has_failed_once_is_repeated_once(
    host: CaHost, monkeypatch: pytest.MonkeyPatch, failures: int, *, passes: bool
) -> None:
    each = iter([*([1] * failures), 0])
    monkeypatch.setattr(
        site_upgrade, "examine", lambda *_args: SimpleNamespace(status=next(each), outcomes=(), verdict="FAILED")
    )
    monkeypatch.setattr(selftest, "status_of", lambda results: results.status)
    with nullcontext() if passes else pytest.raises(HostCommandFailed, match="the self-test has failed"):
        site_upgrade._on_this_host(host.site(), "test", None)


@pytest.mark.parametrize("unknown", [0, 1, 6])
def test_records_that_the_version_does_not_know_keep_it_from_being_put_in_force(
    host: CaHost, monkeypatch: pytest.MonkeyPatch, unknown: int
) -> None:
    monkeypatch.setattr(site_upgrade, "load", lambda *_args: SimpleNamespace(settings=None))
    monkeypatch.setattr(selftest, "examine_host", lambda *_args, **_options: SimpleNamespace())
    monkeypatch.setattr(selftest, "status_of", lambda _results: 0)
    monkeypatch.setattr(site_upgrade, "connect_redis", lambda *_args, **_options: None)
    monkeypatch.setattr(site_upgrade, "unreadable", lambda *_args: [f"m{number}" for number in range(unknown)])
    refused = pytest.raises(UpgradeRefused, match=r"does not know the state of m0.*bringup run abort")
    with refused if unknown else nullcontext() as found:
        site_upgrade._on_this_host(host.site(), "check", None)
    if found:
        assert ("and 1 more" in str(found.value)) is (unknown == 6)
