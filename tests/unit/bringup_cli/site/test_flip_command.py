"""``bringup site flip``: whom it refuses, and what it prints for other hosts."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bringup.errors import ApiUnavailable, SettingsError
from bringup.model import DeviceState
from bringup.wire.operator import DeviceList, DeviceView
from bringup_cli.commands import site_flip
from bringup_cli.site.actions import SiteHost
from bringup_cli.site.bundle import Manifest
from bringup_cli.site.flip_files import FlipMode
from bringup_cli.site.layout import HostLayout
from bringup_cli.site.registry import HostRole

NOW = datetime(2026, 5, 4, tzinfo=UTC)
HERE = Manifest(host="h1", roles=(HostRole.WORKER,), made_at=NOW, use_until=NOW)


def device(name: str, bmc: str, active_run: str | None) -> DeviceView:
    return DeviceView(name=name, state=DeviceState.APPROVED, in_inventory=True, active_run=active_run, bmc=bmc)


def refuse(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *devices: DeviceView) -> None:
    class Api:
        def __init__(self, *_: object) -> None: ...

        def get(self, _path: str, _reply: object) -> DeviceList:
            if not devices:
                raise ApiUnavailable("nobody answers")
            return DeviceList(devices=devices)

    settings: Any = None
    monkeypatch.setattr(site_flip, "ApiClient", Api)
    monkeypatch.setattr(site_flip, "client_settings", lambda *_: settings)
    site_flip._refuse_running_machines(HostLayout(tmp_path, tmp_path), HERE)


def test_a_real_machine_in_a_run_would_be_cut_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"r12u07 are in a run.*--now"):
        refuse(monkeypatch, tmp_path, device("r12u07", "https://192.0.2.1", "02-00-00-00-00-01-1"))


@pytest.mark.parametrize(
    "devices",
    [
        (device("r12u07", "https://192.0.2.1", None),),
        (device("sim", "simulated://192.0.2.1:9000/sim", "02-00-00-00-00-01-1"),),
        (),  # the API is away
    ],
)
def test_nobody_else_keeps_a_flip_from_beginning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, devices: tuple[DeviceView, ...]
) -> None:
    refuse(monkeypatch, tmp_path, *devices)


def test_without_a_way_to_other_hosts_what_to_run_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    hosts = (SiteHost("h1", (HostRole.API,)), SiteHost("w1", (HostRole.TAILER,)))
    site_flip._print_plan(hosts, "h1", FlipMode.PRODUCTION)
    shown = capsys.readouterr().out
    assert shown.startswith("Nothing was changed")
    assert "on w1: bringup site flip production --step 'stop tailer'" in shown
    assert "here: bringup site flip production --step 'restart api'" in shown


def test_an_action_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such action"):
        site_flip._on_this_host(HostLayout(tmp_path, tmp_path), HERE, "explode", FlipMode.PRODUCTION)


def test_another_host_on_which_nothing_would_change_has_no_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(site_flip, "run_on", lambda *_, **__: "\n")
    actor = site_flip._Actor(HostLayout(tmp_path, tmp_path), HERE, "ssh root@{host}")
    assert actor.differences("w1", FlipMode.PRODUCTION) == []
