"""What the ten calls of a run cost the API: processor time of its processes, while one client makes the calls.

API and Redis are real. The client calls as worker, BMC and machine do, run after run, so the figure does not depend on
how many machines wait, as that of a storm does. The baseline is as many calls of ``/health``.
"""

import http.client
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import urlsplit

import click

from bench.processes import cpu_s
from bringup import inventory, model, tls
from bringup.connections.api_client import ApiClient
from bringup.wire.machine import Heartbeat, HeartbeatReply, ReportReply, RunParameters
from bringup.wire.message import Health, read_reply
from bringup.wire.run import MachineIdentity
from bringup.wire.run_events import EventType, RunStep
from bringup_cli.demo.stack import Stack
from bringup_cli.simulate.hardware_report import Fault, report_of
from workers.job_context import Callback

_CALLS = 10
_EXECUTION = "one"  # of the boot job
_SETTINGS = {"ENVIRONMENT": "development", "LEASE_MAX_AGE_H": "0", "MAX_CONCURRENT_BOOTS": "100000", "API_WORKERS": "1"}


@click.command()
@click.option("--runs", default=300, show_default=True)
@click.option("--rounds", default=3, show_default=True, help="The least of so many counts.")
@click.option("--tls/--plain", "use_tls", default=False, show_default=True)
def main(*, runs: int, rounds: int, use_tls: bool) -> None:
    """Measure, and print a table."""
    flags = dict.fromkeys(("REDIS_USE_TLS", "API_USE_TLS"), str(use_tls).lower())
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as text:
        folder = Path(text)
        (folder / "devices.toml").write_text("".join(map(_entry, range(runs * rounds + 20))))
        with Stack(folder, _SETTINGS | flags) as stack:
            stack.start_redis()
            stack.start("api")
            devices = inventory.Inventory.read(folder / "devices.toml").by_name
            client = ApiClient(stack.settings_of("worker"), tls.ClientContexts())
            one = _Run(stack, client, devices)
            for n in range(20):  # what is made once is no cost of a run
                one.play(runs * rounds + n)
            health, run = [], []
            for count in range(rounds):
                health.append(_cpu_ms(stack, lambda _: client.get("/health", Health), range(runs * _CALLS)) * _CALLS)
                run.append(_cpu_ms(stack, one.play, range(runs * count, runs * (count + 1))))
    click.echo("| a run's calls, ms of CPU of the API | as many of `/health` | of the baseline |\n|--:|--:|--:|")
    click.echo(f"| {min(run):.1f} | {min(health):.1f} | {min(run) / min(health):.1f} |")


def _cpu_ms(stack: Stack, call: Callable[[int], object], numbers: range) -> float:
    before = cpu_s(stack.pid("api"))
    for number in numbers:
        call(number)
    return (cpu_s(stack.pid("api")) - before) * 1000 / len(numbers)


class _Run:
    """One run after the other, as worker, BMC and machine call the API in it."""

    def __init__(self, stack: Stack, client: ApiClient, devices: dict[str, inventory.Device]) -> None:
        self._stack = stack
        self._worker = Callback(client)
        self._devices = devices
        self._contexts = tls.ClientContexts()

    def play(self, n: int) -> None:
        """From the lease to the end."""
        lease, post = _lease(n), self._worker.post_event
        run_id, device = lease.run_id, self._devices[_name(n)]
        self._worker.put_run(lease)
        post(run_id, EventType.BOOT_STARTED, fencing_token=_EXECUTION, wants_run=True)
        identity = MachineIdentity(macs=tuple(device.nic_macs))
        seen = (RunStep(type=EventType.MACHINE_IDENTIFIED, identity=identity),)
        asked = post(run_id, EventType.OVERRIDE_REQUESTED, fencing_token=_EXECUTION, before=seen, wants_media=True)
        if asked.media is None or asked.media.image_url is None:
            sys.exit(f"the API has given no medium: {asked}")
        done = tuple(RunStep(type=what) for what in (EventType.MEDIA_INSERTED, EventType.BOOT_OVERRIDE_SET))
        post(run_id, EventType.POWER_ON_REQUESTED, fencing_token=_EXECUTION, before=done)
        post(run_id, EventType.PERMIT_RETURNED, fencing_token=_EXECUTION, before=(RunStep(type=EventType.POWERED_ON),))
        self._validate(run_id, device, self._token(asked.media.image_url))
        post(run_id, EventType.CLEANUP_REQUESTED, fencing_token=_EXECUTION)
        post(run_id, EventType.FINISHED, fencing_token=_EXECUTION, before=(RunStep(type=EventType.MEDIA_EJECTED),))

    def _token(self, url: str) -> str:
        target, settings = urlsplit(url), self._stack.settings
        where = target.hostname or "", target.port
        connection = http.client.HTTPConnection(*where)
        if target.scheme == "https":
            connection = http.client.HTTPSConnection(*where, context=tls.for_api_client(settings, self._contexts))
        try:
            connection.request("GET", target.path)
            return read_reply(RunParameters, connection.getresponse().read()).token
        finally:
            connection.close()

    def _validate(self, run_id: str, device: inventory.Device, token: str) -> None:
        machine = ApiClient(self._stack.settings, self._contexts, token=token)
        machine.post(f"/runs/{run_id}/heartbeat", Heartbeat(boot_id="b", uptime_s=1), HeartbeatReply)
        machine.post(f"/runs/{run_id}/report", report_of(device, Fault.NONE, "b"), ReportReply)


def _name(n: int) -> str:
    return f"m{n:05d}"


def _entry(n: int) -> str:
    return (
        f'[[device]]\nname = "{_name(n)}"\nbmc_mac = "{_mac(0x02, n)}"\nnic_macs = ["{_mac(0x06, n)}"]\n'
        f'bmc = "simulated://127.0.0.1:9/{_name(n)}"\n'
        "expected = { memory_gib = 64, cpu_count = 16, nics = 1, disks = [{ size_gb = 480, count = 2 }] }\n"
    )


def _lease(n: int) -> model.LeaseEvent:
    starts, ip = datetime(2026, 11, 23, tzinfo=UTC), IPv4Address(f"10.0.{n >> 8}.{n & 255}")
    return model.LeaseEvent(mac=_mac(0x02, n), ip=ip, action=model.LeaseAction.ASSIGNED, starts=starts, source="bench")


def _mac(first: int, n: int) -> str:
    return f"{first:02x}:00:00:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}"


if __name__ == "__main__":
    main()
