"""A command on a host of the site: its output, or the error that it ended with."""

import pytest

from bringup_cli.site import actions, host_system
from bringup_cli.site.actions import run_on
from bringup_cli.site.host_system import HostCommandFailed


def test_a_command_that_fails_on_another_host_is_an_error_with_its_last_lines() -> None:
    with pytest.raises(HostCommandFailed, match="2; 3; 4"):
        run_on("h2", "printf '1\\n2\\n3\\n4\\n'; exit 3", ssh="sh -c")
    assert run_on("h2", "echo done", ssh="sh -c") == "done\n"


def test_a_command_that_does_not_end_is_ended_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "_REMOTE_S", 0.2)
    monkeypatch.setattr(host_system, "_COMMAND_S", 0.2)
    with pytest.raises(HostCommandFailed, match=r"h2: `sleep 60` has not ended within 0\.2 s"):
        run_on("h2", "sleep 60", ssh="sh -c")
    with pytest.raises(HostCommandFailed, match=r"`sleep 60` has not ended within 0\.2 s"):
        host_system.run("sleep", "60")
