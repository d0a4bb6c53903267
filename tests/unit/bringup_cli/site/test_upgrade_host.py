"""What an upgrade changes on one host: unit files and the link to the version in force, in an order without a gap."""

from pathlib import Path

import pytest

from bringup import __version__
from bringup_cli.site import host_system, upgrade_host
from bringup_cli.site.host_system import HostCommandFailed
from bringup_cli.site.registry import HostRole


class Host:
    """Its folder of units, and the commands that were run."""

    def __init__(self, folder: Path) -> None:
        self.units, self.releases = folder / "units", folder / "lib"
        for path in (self.units, self.releases):
            path.mkdir()
        self.commands: list[str] = []
        self.fails = ""

    def run(self, *command: str, check: bool = True) -> str:
        line = " ".join(command)
        self.commands.append(line)
        if check and self.fails and self.fails in line:
            raise HostCommandFailed("it does not start")
        return ""

    def systemctl(self) -> list[str]:
        """What was started and stopped."""
        lines = [line.removeprefix("systemctl ") for line in self.commands if line.startswith("systemctl ")]
        return [line for line in lines if line != "daemon-reload"]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path)
    monkeypatch.setattr(host_system, "run", made.run)
    monkeypatch.setattr("time.sleep", lambda _s: None)
    for module in (host_system, upgrade_host):
        monkeypatch.setattr(module, "UNITS", made.units)
    monkeypatch.setattr(upgrade_host, "RELEASES", made.releases)
    return made


def installed(
    host: Host, name: str, text: str = "ExecStart=/usr/lib/bringup/0.1.0/bin/bringup api --share-port\n"
) -> None:
    (host.units / name).write_text(text)


@pytest.mark.parametrize("role", [HostRole.API, HostRole.IMAGES])
def test_a_second_server_serves_while_the_first_one_is_restarted(host: Host, role: HostRole) -> None:
    unit, beside = f"bringup-{role}.service", f"bringup-{role}-upgrade.service"
    installed(host, unit)
    (host.units / f"{unit}.d").mkdir()
    (host.units / f"{unit}.d/own.conf").write_text("[Service]\n")
    upgrade_host.switch(role)
    assert host.systemctl() == [f"restart {beside}", f"restart {unit}", f"stop {beside}"]
    assert (host.units / unit).read_text() == host_system.unit_files()[unit]
    assert not list(host.units.glob("*upgrade*"))


def test_the_second_server_has_what_the_operator_has_added(host: Host) -> None:
    installed(host, "bringup-api.service")
    (host.units / "bringup-api.service.d").mkdir()
    (host.units / "bringup-api.service.d/own.conf").write_text("[Service]\n")
    seen: list[list[str]] = []
    run = host.run

    def looked(*command: str, check: bool = True) -> str:
        seen.append([str(path.relative_to(host.units)) for path in host.units.rglob("*upgrade*/*")])
        return run(*command, check=check)

    host_system.run = looked
    upgrade_host.switch(HostRole.API)
    assert ["bringup-api-upgrade.service.d/own.conf"] in seen


def test_a_version_that_does_not_start_ends_nothing(host: Host) -> None:
    installed(host, "bringup-api.service")
    host.fails = "bringup-api-upgrade"
    before = (host.units / "bringup-api.service").read_text()
    with pytest.raises(HostCommandFailed, match="does not start"):
        upgrade_host.switch(HostRole.API)
    assert "restart bringup-api.service" not in host.systemctl()
    assert (host.units / "bringup-api.service").read_text() == before
    assert not list(host.units.glob("*upgrade*"))


def test_a_server_that_does_not_share_its_port_is_restarted(host: Host) -> None:
    installed(host, "bringup-api.service", "ExecStart=/usr/bin/bringup api\n")
    upgrade_host.switch(HostRole.API)
    assert host.systemctl() == ["restart bringup-api.service"]


def test_every_worker_of_a_host_is_restarted_and_no_other_unit_changes(host: Host) -> None:
    wants = host.units / f"{host_system.TARGET}.wants"
    wants.mkdir()
    for name in ("bringup-work@1.service", "bringup-work@2.service", "bringup-tail@main.service"):
        (wants / name).touch()
    upgrade_host.switch(HostRole.WORKER)
    assert host.systemctl() == ["restart bringup-work@1.service", "restart bringup-work@2.service"]
    written = {path.name for path in host.units.iterdir() if path.is_file()}
    assert written == {"bringup-work@.service"}


def test_what_is_of_no_role_changes_at_last_with_the_command(host: Host) -> None:
    (host.releases / "bin").symlink_to("0.0.9/bin")
    upgrade_host.select()
    assert (host.releases / "bin").readlink() == Path(__version__) / "bin"
    written = {path.name for path in host.units.iterdir() if path.is_file()}
    assert {"bringup-renew.service", "bringup-redis.service", "bringup.target"} <= written
    assert not {"bringup-api.service", "bringup-work@.service", "bringup-tail@.service"} & written
    assert host.systemctl() == []  # Redis runs on


def test_every_unit_file_is_written_by_one_of_the_actions(host: Host) -> None:
    for role in HostRole:
        if role is not HostRole.REDIS:
            upgrade_host.switch(role)
    upgrade_host.select()
    written = {str(path.relative_to(host.units)): path.read_text() for path in host.units.rglob("*") if path.is_file()}
    assert written == host_system.unit_files()


def test_a_program_of_another_place_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/opt/bringup/bin/bringup"])
    with pytest.raises(HostCommandFailed, match="only what `install` of a bundle"):
        upgrade_host.require_package()
    monkeypatch.setattr("sys.argv", [upgrade_host.program_of(__version__)])
    upgrade_host.require_package()
