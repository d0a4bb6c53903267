"""The emergency procedures of the report, each tried: the emergency, then its commands as they are printed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.state.change_memory import ChangeMemory
from api.state.installation import MEMORY_FILE
from pki.names import Identity, Role
from selftest.report.checklist import backup_command
from selftest.report.emergencies import Procedure, procedures
from selftest.target_installation import TargetInstallation
from tests.integration.selftest.bad import Mint
from tests.integration.selftest.site import Site

pytestmark = pytest.mark.slow
PROGRAMS = Path(sys.executable).parent
# A command that does not end by itself: the service that it starts.
SERVICE = "bringup api"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site of its own: each test leaves it in another state, and the last one with another CA."""
    made = Site(tmp_path_factory.mktemp("emergencies"), use_tls=True)
    with made.stack:
        made.start_chain()
        yield made


def _procedure(site: Site, when: str) -> Procedure:
    found = {one.when: one for one in procedures(TargetInstallation(site.settings))}
    return found[when]


def _apply(site: Site, when: str, part: slice = slice(None), **names: str) -> str:
    """What the commands of a procedure print, run in one shell, each of which must succeed; a service is ended."""
    lines = list(_procedure(site, when).lines)[part]
    for name, value in names.items():
        lines = [line.replace(name, value) for line in lines]
    script = "\n".join(["set -eu", *(_in_the_background(site, one) if SERVICE in one else one for one in lines)])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=site.folder,
        env={"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "HOME": str(site.folder)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _in_the_background(site: Site, command: str) -> str:
    """The command of a service; the shell goes on when it listens, and ends it when the shell ends."""
    listens = f"(: </dev/tcp/127.0.0.1/{site.settings.callback_api_port}) 2>/dev/null"
    return (
        f"{command} >service.log 2>&1 &\n"
        "service=$!; trap 'kill $service; wait $service' EXIT\n"
        f"for _ in $(seq 600); do {listens} && break; sleep 0.1; done\n"
        f"{listens}"
    )


def _take_back_redis(site: Site) -> None:
    """Redis as a process of the stack again, which ends it: the procedure has started it as a daemon."""
    process = int(site.keeper.info("server")["process_id"])
    os.kill(process, signal.SIGTERM)
    deadline = time.monotonic() + 180
    while Path(f"/proc/{process}").exists():
        assert time.monotonic() < deadline, "redis-server did not end"
        time.sleep(0.05)
    site.stack.run_redis()


def test_every_procedure_is_tried_here(site: Site) -> None:
    text = Path(__file__).read_text()
    assert [one.when for one in procedures(TargetInstallation(site.settings)) if f'"{one.when}"' not in text] == []


def test_an_expired_certificate_of_redis_is_renewed_and_loaded(site: Site) -> None:
    files = Mint(site.store, Identity(Role.REDIS, "redis")).expired().as_files("redis/redis")
    site._write(files)
    site.reload_redis()
    assert site.tested().failing == {"5a"}
    _apply(site, "A certificate has expired")
    site.await_chain()
    assert site.tested().failing == set()


def test_a_lost_ca_key_comes_back_from_the_backup(site: Site) -> None:
    subprocess.run(["sh", "-c", backup_command(site.store.root)], cwd=site.folder, check=True)
    site.store.ca_key.unlink()
    assert "The PKI is in order." in _apply(site, "The CA key is lost")
    assert site.store.ca_key.stat().st_mode & 0o777 == 0o600


def test_an_api_that_is_down_is_started(site: Site) -> None:
    site.stack.stop("api")
    assert "PASSED" in _apply(site, "The API is down")
    site.stack.start("api")


def test_redis_that_has_lost_its_data_is_accepted(site: Site) -> None:
    ChangeMemory(site.settings.state_dir / MEMORY_FILE).replace(7)  # changes that the API has seen
    site.stack.stop("redis")
    for path in (site.folder / "redis/data").rglob("*"):
        if path.is_file():
            path.unlink()
    when = "Redis is down, or has lost its data"
    try:
        assert "PASSED" in _apply(site, when, slice(-1))
        assert "3e" in site.tested().failing
    finally:
        _take_back_redis(site)
    site.stack.stop("api")
    _apply(site, when, slice(-1, None))
    site.stack.start("api")
    assert "3e" not in site.tested().failing


def test_a_stolen_identity_is_shut_out(site: Site) -> None:
    site.stack.command("pki", "issue", "worker", "--name", "rack2")
    _apply(site, "A host or a key was stolen", NAME="rack2")
    assert "1a" in site.tested().failing, "the password that the thief has opens Redis"
    site.stack.command("redis-conf", "--force")


def test_after_the_theft_of_the_ca_key_there_is_another_ca(site: Site) -> None:
    before = site.store.authorities()
    _apply(site, "The CA key is stolen")
    assert set(site.store.authorities()).isdisjoint(before)
