"""The ACL file of older versions loses data at the next start of Redis: that is seen before, and repaired."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from bringup import tls
from bringup.connections.redis_client import connect_redis
from bringup.redis_acl import DEFAULT_USER
from pki.check import Finding, Status
from selftest.checks import CATALOG
from selftest.runner import run
from selftest.target_installation import TargetInstallation
from tests.administrator import ADMINISTRATOR, LINE, add_administrator
from tests.integration.redis_state.filled import Filled

OLD = "user default off nopass nocommands resetchannels"


@pytest.fixture
def upgraded(tmp_path: Path) -> Filled:
    """Not started."""
    return Filled(tmp_path, use_tls=True)


def write_acl(site: Filled, *, roles_may_ask: bool) -> Path:
    """The file as it was written before, for roles of now or of then."""
    site.stack.command("redis-conf", "--force")
    path = site.stack.folder / "redis/users.acl"
    add_administrator(site.stack)
    text = path.read_text().replace(DEFAULT_USER, OLD)
    path.write_text(text if roles_may_ask else text.replace(" +acl|dryrun", ""))
    return path


def checked(site: Filled, monkeypatch: pytest.MonkeyPatch) -> Finding:
    monkeypatch.chdir(site.stack.folder)
    check = next(check for check in CATALOG if check.id == "1c")
    (outcome,) = run(TargetInstallation(site.stack.settings_of("worker")), (check,))
    return outcome.finding


@pytest.mark.parametrize("roles_may_ask", [True, False])
def test_the_old_line_is_a_failure_and_its_hint_loses_nothing(
    upgraded: Filled,
    monkeypatch: pytest.MonkeyPatch,
    roles_may_ask: bool,  # noqa: FBT001
) -> None:
    write_acl(upgraded, roles_may_ask=roles_may_ask)
    with upgraded.stack as stack:
        stack.run_redis()
        stack.start("api")
        upgraded.fill()
        before = upgraded.held()
        found = checked(upgraded, monkeypatch)
        assert found.status is Status.FAIL
        assert "before Redis restarts" in found.hint
        follow(found.hint, upgraded)
        if roles_may_ask:
            assert checked(upgraded, monkeypatch).status is Status.OK
        stack.stop("redis")
        stack.run_redis()
        assert upgraded.held() == before
        assert checked(upgraded, monkeypatch).status is (Status.OK if roles_may_ask else Status.WARN)


def follow(hint: str, site: Filled) -> None:
    """Do what it says: the command, and the one for Redis."""
    match = re.fullmatch(r"before Redis restarts: (sed .*); then, as a user that may: (ACL SETUSER .*)", hint)
    assert match
    subprocess.run(shlex.split(match[1]), cwd=site.stack.folder, check=True)
    site.keeper().execute_command(*match[2].split())  # type: ignore[no-untyped-call]


def test_where_neither_redis_nor_its_file_can_be_asked_it_is_a_failure(
    upgraded: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_acl(upgraded, roles_may_ask=False)
    with upgraded.stack as stack:
        stack.run_redis()
        path.rename(path.with_name("elsewhere"))
        found = checked(upgraded, monkeypatch)
        assert found.status is Status.FAIL
        assert "may not ask" in found.message


def test_force_keeps_the_users_that_people_have_added(upgraded: Filled) -> None:
    path = write_acl(upgraded, roles_may_ask=False)
    upgraded.stack.command("redis-conf", "--force")
    lines = path.read_text().splitlines()
    assert lines[0] == DEFAULT_USER
    assert lines.count(LINE.strip()) == 1
    assert all("+acl|dryrun" in line for line in lines if line.startswith(("user worker", "user api")))
    with upgraded.stack as stack:
        stack.run_redis()
        assert upgraded.keeper().acl_whoami() in {ADMINISTRATOR, ADMINISTRATOR.encode()}


def test_the_default_user_still_lets_nobody_in(upgraded: Filled) -> None:
    upgraded.stack.command("redis-conf", "--force")
    with upgraded.stack as stack:
        stack.run_redis()
        for password in (None, "", stack.settings_of("worker").redis_password):
            changes = {"redis_username": None, "redis_password": password}
            redis = connect_redis(stack.settings.model_copy(update=changes), tls.ClientContexts(), name="nobody")
            with pytest.raises(Exception, match=r"(?i)auth|WRONGPASS|password"):
                redis.ping()
