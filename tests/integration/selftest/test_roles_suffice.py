"""The rights of each role are enough for its service, on the good way and on the bad ones."""

import signal
from pathlib import Path

import pytest

from bringup.model import RunState
from bringup.wire.run import RunList
from bringup_cli.demo.stack import Stack
from tests.in_process import command
from tests.integration.selftest.pipeline import RUN_ID, await_run, lease, stack, start_services
from tests.integration.workers.site import eventually

SIGNS = ("NOPERM", "no permissions", "refuses the API", "refused us", "user executing the script")
SERVICES = ("api", "work", "tail", "simulate")


def _refused(made: Stack) -> list[str]:
    """What Redis has refused to a service, by its log."""
    lines = [line for name in SERVICES for line in made.log_of(name).splitlines()]
    return [line for line in lines if any(sign in line for sign in SIGNS)]


@pytest.fixture
def made(tmp_path: Path) -> Stack:
    return stack(tmp_path, use_tls=True)


def test_a_run_passes_although_its_worker_is_killed(made: Stack) -> None:
    with made:
        made.start_redis()
        start_services(made)
        lease(made)
        await_run(made, lambda run: run.state is not RunState.QUEUED)
        made.stop("work", signal.SIGKILL)
        made.start("work")
        assert await_run(made, lambda run: run.closed_at).state is RunState.PASSED
        assert _refused(made) == []


def test_an_operator_aborts_a_run_and_reads_on(made: Stack) -> None:
    with made:
        made.start_redis()
        start_services(made, boot_s=3600)  # it boots until it is aborted
        made.command("pki", "issue", "operator", "--name", "alice")
        files = made.settings.pki_dir / "issued/operator/alice"
        as_alice = made.environment("operator") | {
            "API_CLIENT_CERT": f"{files}-cert.pem",
            "API_CLIENT_KEY": f"{files}-key.pem",
        }
        lease(made)
        await_run(made, lambda run: run.state is RunState.WAITING)
        aborted = command(["run", "abort", RUN_ID], as_alice, made.folder)
        assert f"Run {RUN_ID} of sim-001: aborted" in aborted.stdout
        assert await_run(made, lambda run: run.closed_at).state is RunState.ABORTED
        assert "sim-001" in command(["devices"], as_alice, made.folder).stdout
        assert _refused(made) == []


def test_a_role_without_its_rights_is_seen_by_this_test(made: Stack) -> None:
    """So that the other tests here can fail; and what the tailer says is one message."""
    with made:
        made.start_redis()
        acl = made.folder / "redis/users.acl"
        acl.write_text(acl.read_text().replace(" +rpush", ""))
        made.stop("redis")
        made.run_redis()
        start_services(made)
        lease(made)
        eventually(lambda: "refused us" in made.log_of("tail"), 60, "the tailer logs that Redis refuses it")
        assert _refused(made)
        assert made.api.get("/runs", RunList).runs == ()
        assert "Traceback" not in made.log_of("tail")
