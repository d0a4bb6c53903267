"""Each host of a site, joined into a folder of its own: its `pki verify` and its self-test are green."""

from click.testing import CliRunner

from bringup.wire.operator import QueueList
from bringup_cli.root import cli
from bringup_cli.site.registry import HostRole
from tests.integration.site.conftest import SeveralHosts, api_of, eventually

NAMES = {"w1": HostRole.WORKER, "t1": HostRole.TAILER, "i1": HostRole.IMAGES, "c1": HostRole.CONSOLE}


def test_every_host_is_green_without_the_files_of_another(several: SeveralHosts) -> None:
    several.start_servers()
    for name, role in NAMES.items():
        several.add(name, role)
    (several.folder / "leases.jsonl").touch()
    for name, role in list(NAMES.items())[:3]:
        several.start(name, role)
    several.await_api(api_of(several.settings_of("w1", HostRole.WORKER)))
    api = api_of(several.settings_of("w1", HostRole.WORKER))
    eventually(lambda: _is_served(api.get("/queues", QueueList)), "the API sees the tailer and the worker")
    failed = {}
    for name, role in {**NAMES, "r1": HostRole.REDIS, "a1": HostRole.API}.items():
        for command in (["pki", "verify"], ["selftest"]):
            arguments = ["--env-file", str(several.hosts[name].env_file(role)), *command]
            found = CliRunner().invoke(cli, arguments)
            if found.exit_code != 0:
                failed[name, command[0]] = f"{found.output} {found.exception!r}"
    assert failed == {}, "\n".join(f"{key}: {text}" for key, text in failed.items())


def _is_served(found: QueueList) -> bool:
    return bool(found.tailers) and all(queue.workers for queue in found.queues)
