"""Which files of this host the self-test takes for secrets, and who may read them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bringup.settings import load
from bringup.settings.load import Loaded
from bringup_cli.commands import selftest as command
from bringup_cli.commands import site_units
from bringup_cli.site.layout import HostLayout
from bringup_cli.site.registry import HostRole
from pki.check import Status
from selftest.checks import host
from selftest.target_installation import TargetInstallation


def test_a_file_that_settings_were_read_from_must_not_be_readable_by_others(
    target: TargetInstallation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "worker.env"
    own.touch(mode=0o600)
    target.env_files = (own,)
    assert host._files(target).message.startswith("1 file with secrets")
    own.chmod(0o644)
    found = host._files(target)
    assert found.status is not Status.OK
    assert str(own) in found.message


def test_the_self_test_of_a_host_looks_at_the_file_of_each_of_its_services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = HostLayout(tmp_path)
    files = [layout.config / f"{role}.env" for role in (HostRole.WORKER, HostRole.TAILER)]
    for path in files:
        path.write_text("REDIS_HOST=127.0.0.1\nAPI_TOKEN=" + "a1b2c3d4" * 8 + "\n")
    seen: list[Loaded] = []

    def examine(loaded: Loaded, **_options: Any) -> SimpleNamespace:
        seen.append(loaded)
        return SimpleNamespace()

    monkeypatch.setattr(command, "examine_host", examine)
    monkeypatch.setattr(site_units, "_await_reports", lambda *_arguments: None)
    site_units.examine(layout, (HostRole.WORKER, HostRole.TAILER))
    assert set(files) <= set(seen[0].env_files)
    assert seen[0].origins["API_TOKEN"] == str(files[0])
    assert load({}, files[0]).settings.api_token is not None
