"""The first host of a site, made in folders of a test: resumed after each kill, and unchanged by a second time."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from bringup.operators import OperatorRole, Operators
from bringup.settings import load
from bringup_cli.root import cli
from bringup_cli.site import host_system, init, layout, steps
from bringup_cli.site.init import FirstHost
from bringup_cli.site.registry import HostRole

ROLES = (HostRole.REDIS, HostRole.API, HostRole.WORKER, HostRole.TAILER)
HOST = FirstHost("h1", "192.0.2.10", ROLES, "dnsmasq-log", Path("/var/log/dnsmasq.log"))


@pytest.fixture
def host_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> layout.HostLayout:
    """The folders of a host whose users and units are those of a test: none."""
    monkeypatch.setattr(layout, "give", lambda _owners: None)
    monkeypatch.setattr(host_system, "give_file", lambda _path, _user: None)
    return layout.HostLayout(tmp_path / "etc/bringup", tmp_path / "var/lib/bringup")


def file_steps(folders: layout.HostLayout) -> list[steps.HostStep]:
    """The steps that write files; users, units and Redis are those of a real host (scripts/e2e-deploy)."""
    folders.config.parent.mkdir(parents=True, exist_ok=True)
    folders.state.parent.mkdir(parents=True, exist_ok=True)
    return init.steps(folders, HOST, lambda: datetime.now(UTC))[1:4]


def apply(folders: layout.HostLayout, *, dry_run: bool = False) -> list[str]:
    shown: list[str] = []
    steps.apply(file_steps(folders), shown.append, dry_run=dry_run)
    return shown


def contents(folders: layout.HostLayout) -> dict[str, bytes]:
    """Every file but what each join writes anew: its own time."""
    root = folders.config.parents[1]
    found = {str(path.relative_to(root)): path for path in sorted(root.rglob("*")) if path.is_file()}
    left_out = ("manifest.json", "state/lock", ".join/lock", "state/site.json")
    return {name: path.read_bytes() for name, path in found.items() if not name.endswith(left_out)}


class Killed(BaseException):
    """The process ends here."""


def test_a_second_time_changes_nothing(host_folders: layout.HostLayout) -> None:
    apply(host_folders)
    before = contents(host_folders)
    assert [line.split(":")[0] for line in apply(host_folders)] == ["unchanged", "unchanged", "done"]
    assert contents(host_folders) == before


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_killed_between_two_steps_it_goes_on(host_folders: layout.HostLayout, kept: int) -> None:
    steps.apply(file_steps(host_folders)[:kept], lambda _line: None)
    before = contents(host_folders)
    apply(host_folders)
    after = contents(host_folders)
    assert {name: after[name] for name in before if "/state/" not in name} == {
        name: data for name, data in before.items() if "/state/" not in name
    }
    assert "etc/bringup/api.env" in after
    assert "var/lib/bringup/redis/users.acl" in after


def test_killed_at_any_file_of_the_last_step_it_goes_on(
    host_folders: layout.HostLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    *first, last = file_steps(host_folders)
    steps.apply(first, lambda _line: None)

    def dies(path: Path, data: bytes, *, before_rename: Callable[[], None] = lambda: None) -> None:
        del path, data, before_rename
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(layout, "write_atomic", dies)
        with pytest.raises(Killed):
            last.do()
    last.do()
    assert host_folders.users_file.read_text().count("user worker-h1 ") == 1


def test_a_dry_run_writes_nothing(host_folders: layout.HostLayout) -> None:
    assert apply(host_folders, dry_run=True)[0].startswith("would do:")
    assert contents(host_folders) == {}


def test_each_service_keeps_its_state_in_a_folder_of_its_own(host_folders: layout.HostLayout) -> None:
    apply(host_folders)
    for role in (HostRole.API, HostRole.WORKER, HostRole.TAILER):
        found = load({}, host_folders.config / f"{role}.env").settings
        assert found.state_dir == host_folders.state / role
        assert found.environment == "production"


def test_the_api_uses_a_copy_of_the_hosts_key_that_it_owns(host_folders: layout.HostLayout) -> None:
    apply(host_folders)
    found = load({}, host_folders.config / "api.env").settings
    assert found.redis_tls_key == host_folders.pki / "clients/api-key.pem"
    assert found.redis_tls_key.read_bytes() == (host_folders.pki / "issued/host/h1-key.pem").read_bytes()


def test_the_users_of_redis_that_it_has_written_itself_stay(host_folders: layout.HostLayout) -> None:
    apply(host_folders)
    host_folders.users_file.write_text("user added-by-a-person on\n")
    apply(host_folders)
    assert host_folders.users_file.read_text() == "user added-by-a-person on\n"
    assert str(host_folders.state / "redis/data") in (host_folders.config / "redis/redis.conf").read_text()


@pytest.mark.parametrize(("users", "groups"), [((), ("a",)), (("a",), ())])
def test_a_user_without_its_group_is_completed(
    monkeypatch: pytest.MonkeyPatch, users: tuple[str, ...], groups: tuple[str, ...]
) -> None:
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr("pwd.getpwall", lambda: [SimpleNamespace(pw_name=name) for name in users])
    monkeypatch.setattr("grp.getgrall", lambda: [SimpleNamespace(gr_name=name) for name in groups])
    monkeypatch.setattr(host_system, "run", lambda *command: ran.append(command))
    assert host_system.missing_users(["a"]) == ["a"]
    host_system.add_users(["a"])
    assert [command[0] for command in ran] == ["groupadd", "usermod" if users else "useradd"]


def test_who_is_not_root_learns_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    done = CliRunner().invoke(cli, ["site", "init"])
    assert "root alone may: run it by sudo" in str(done.exception)


def test_a_console_gets_a_token_that_the_api_knows_and_keeps_it(host_folders: layout.HostLayout) -> None:
    with_console = FirstHost("h1", "192.0.2.10", (*ROLES, HostRole.CONSOLE), "dnsmasq-log", Path("/var/log/x.log"))

    def run() -> str:
        host_folders.config.parent.mkdir(parents=True, exist_ok=True)
        host_folders.state.parent.mkdir(parents=True, exist_ok=True)
        steps.apply(init.steps(host_folders, with_console, lambda: datetime.now(UTC))[1:5], lambda _line: None)
        secret = load({}, host_folders.config / "console.env").settings.console_token
        assert secret
        return secret.get_secret_value()

    token = run()
    known = Operators.read(host_folders.config / "operators.toml").of_token(token)
    assert known
    assert (known.name, known.role) == ("h1", OperatorRole.CONSOLE)
    assert run() == token


def test_a_dhcp_source_that_does_not_exist_is_refused_before_anything_is_done() -> None:
    refused = CliRunner().invoke(
        cli, ["site", "init", "--address", "192.0.2.10", "--dhcp-source", "dhcpd", "--dry-run"]
    )
    assert refused.exit_code != 0
    assert "'kea-csv'" in refused.output
    assert "would do" not in refused.output
