"""``python -m tests.e2e.deploy``: from an empty Debian 12 to production, a second host, flips under load."""

import json
import re
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path

from bringup.wire.run import RunList
from tests.e2e.deploy import load
from tests.e2e.deploy.machines import Image, Machine
from tests.e2e.site.network import Network

# As a person types it on a fresh Debian 12, with a release or a folder of wheels in /srv/FOLDER, and no other network
# than that of the site.
BUNDLE = ("tar -xf /srv/{folder}/bringup-*-debian12-amd64.tar", "bringup-*-debian12-amd64/install")
WHEELS = (
    "python3 -m venv /opt/bringup",
    "/opt/bringup/bin/pip install --quiet --no-index --find-links /srv/{folder} bringup",
    "ln -s /opt/bringup/bin/bringup /usr/bin/bringup",
)
INIT = "bringup site init --dhcp-source jsonl --dhcp-path /var/log/leases.jsonl"
MOST_COMMANDS, MOST_OUTAGE_S = 5, 15.0
PASSPHRASE = "a passphrase for one test"
IN_FLIGHT = 20


class Failed(Exception):
    """A promise was not kept."""


def say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def shell(machine: Machine, command: str, *, status: int = 0) -> str:
    """What a command line printed on a host."""
    began = time.monotonic()
    done = machine.try_to("sh", "-c", f"cd /root && export SITE_PASSPHRASE='{PASSPHRASE}' && {command}")
    say(f"{machine.name}# {command}    [{done.returncode}, {time.monotonic() - began:.1f} s]")
    if done.returncode != status:
        raise Failed(f"{machine.name}: {command}: {done.returncode}\n{done.stdout[-6000:]}{done.stderr[-2000:]}")
    return done.stdout + done.stderr


def last_line(output: str) -> str:
    return output.strip().splitlines()[-1]


def install(machine: Machine, source: Path) -> int:
    """Install from a release, or from wheels; how many commands that took."""
    commands = BUNDLE if list(source.glob("*.tar")) else WHEELS
    for command in commands:
        shell(machine, command.format(folder=source.name))
    return len(commands)


def first_host(machine: Machine, source: Path) -> None:
    """At most five commands to a green self-test; killed in between, it goes on."""
    (machine.root / "var/log/leases.jsonl").touch()
    commands = install(machine, source) + 1
    for after_s in (0.7, 2.0, 4.0):
        machine.try_to("timeout", "--signal=KILL", str(after_s), *INIT.split())
    say("bringup site init was killed three times")
    output = shell(machine, INIT)
    say(last_line(output))
    assert commands <= MOST_COMMANDS
    assert "PASSED" in last_line(output), output
    assert "unchanged" in shell(machine, INIT)


def second_host(ca: Machine, machine: Machine, source: Path) -> None:
    """Installed as the first; then one command on the CA's host, and one on it."""
    (machine.root / "var/log/leases.jsonl").touch()
    install(machine, source)
    shell(ca, f"bringup site enroll {machine.name} --role worker --role tailer")
    bundle = (ca.root / "root" / f"{machine.name}.site.age").read_bytes()
    (machine.root / "root" / f"{machine.name}.site.age").write_bytes(bundle)
    say(last_line(shell(machine, f"bringup site join {machine.name}.site.age")))


def permit_simulated_machines(hosts: list[Machine]) -> None:
    """Neither workers nor the API serve simulated machines in production: by a file of their units' own they do."""
    for host in hosts:
        for unit in ("bringup-api", "bringup-work@"):
            folder = host.root / f"etc/systemd/system/{unit}.service.d"
            folder.mkdir()
            (folder / "simulated.conf").write_text("[Service]\nEnvironment=ENVIRONMENT=development\n")
        shell(host, "systemctl daemon-reload && systemctl try-restart bringup-api bringup-work@1")


def trust_ssh(ca: Machine, other: Machine) -> None:
    """The operator's own way from one host to another."""
    shell(
        ca,
        "ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519 || (mkdir -m 700 .ssh && "
        "ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519)",
    )
    shell(
        ca,
        f"printf 'Host {other.name}\\n HostName {other.address}\\n StrictHostKeyChecking accept-new\\n' > .ssh/config",
    )
    (other.root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    (other.root / "root/.ssh/authorized_keys").write_bytes((ca.root / "root/.ssh/id_ed25519.pub").read_bytes())
    shell(ca, f"ssh root@{other.name} true")


def flip(ca: Machine, mode: str, *, status: int = 0) -> dict[str, object]:
    output = shell(ca, f"bringup site flip {mode} --ssh 'ssh root@{{host}}' --output json 2>/dev/null", status=status)
    report: dict[str, object] = json.loads(output[output.index('{\n  "mode"') :])
    say(
        f"flip to {mode}: passed={report['passed']} went_back={report['went_back']} API away {report['api_outage_s']} s"
    )
    return report


def flips_under_load(ca: Machine, network: Network, scratch: Path, machines: int) -> list[str]:
    """Development, production, development, with ten leases a second and 20 runs in flight; the table's rows."""
    address = network.address("h1").rsplit(".", 1)[0] + ".1"
    inventory = ca.root / "etc/bringup/devices.toml"
    inventory.write_text(load.inventory_text(machines, address))
    api, power = load.Api(ca, scratch), scratch / "power.jsonl"
    fleet = load.LoadedFleet(api, inventory, boot_s=15, check_s=15, power_log=power)
    leases = load.Leases(ca.root / "var/log/leases.jsonl", machines)
    leases.start()
    rows = []
    for mode in ("development", "production", "development"):
        in_flight = await_in_flight(api, min(IN_FLIGHT, machines // 4))
        report = flip(ca, mode)
        rows.append(f"| flip to {mode} | {in_flight} | {report['api_outage_s']} s | {report['passed']} |")
        if not report["passed"] or float(str(report["api_outage_s"])) >= MOST_OUTAGE_S:
            raise Failed(f"{json.dumps(report, indent=1)}")

    leases.stop()
    rows.append(count(api, leases, power))
    fleet.close()
    return rows


def await_in_flight(api: load.Api, wanted: int, within_s: float = 120) -> int:
    deadline = time.monotonic() + within_s
    while True:
        found: RunList = load.answer(lambda: api.client().get("/runs?limit=10000", RunList))
        states = Counter(str(run.state) for run in found.runs)
        number = sum(states[state] for state in ("booting", "waiting", "running"))
        if number >= wanted or time.monotonic() > deadline:
            say(f"{number} runs in flight; {dict(states)}")
            return number
        time.sleep(1)


def count(api: load.Api, leases: load.Leases, power: Path, within_s: float = 900) -> str:
    """Every lease led to one run, every run of a known machine to a verdict, and no machine was powered twice."""
    deadline = time.monotonic() + within_s
    while True:
        found: RunList = load.answer(lambda: api.client().get("/runs?limit=10000", RunList))
        runs = {run.run_id: run for run in found.runs}
        open_runs = [run for run in runs.values() if run.closed_at is None]
        if not open_runs and set(leases.all) <= set(runs):
            break
        if time.monotonic() > deadline:
            break
        time.sleep(3)
    lost = sorted(set(leases.all) - set(runs))
    ended = Counter(str(runs[run_id].state) for run_id in leases.known if run_id in runs)
    powered = Counter(json.loads(line)["run_id"] for line in power.read_text().splitlines())
    twice = [run_id for run_id, times in powered.items() if times > 1]
    row = (
        f"{len(leases.all)} leases, {len(leases.known)} of known machines: {len(lost)} lost, "
        f"{len(twice)} powered twice, {len(open_runs)} still open; ended: {dict(ended)}"
    )
    say(row)
    if lost or twice or open_runs or set(ended) - {"passed"}:
        raise Failed(row)
    return row


def goes_back(ca: Machine) -> None:
    """A tailer that cannot read its file fails in production, and is a warning in development."""
    shell(ca, "mv /var/log/leases.jsonl /var/log/elsewhere.jsonl")
    report = flip(ca, "production", status=1)
    shell(ca, "mv /var/log/elsewhere.jsonl /var/log/leases.jsonl")
    if report["passed"] or not report["went_back"]:
        raise Failed(json.dumps(report, indent=1))
    if "REDIS_USE_TLS=false" not in (ca.root / "etc/bringup/worker.env").read_text():
        raise Failed("the files did not go back")


def renewed(hosts: list[Machine]) -> None:
    """A new CA and new keys for every service, by the timers' units alone: each key still belongs to its service."""
    ca = hosts[0]
    before = {host.name: keys_of(host) for host in hosts}
    shell(ca, "bringup pki rollover start")
    for _ in range(12):
        for host in hosts:
            host.try_to("systemctl", "start", "bringup-renew.service")
        ca.try_to("systemctl", "start", "bringup-sign.service")
        if "no rollover" in shell(ca, "bringup pki rollover status 2>&1 || true").lower():
            break
    for host in hosts:
        for path, (owner, content) in keys_of(host).items():
            if owner != before[host.name][path][0] or content == before[host.name][path][1]:
                raise Failed(f"{host.name}: {path}: owner {owner}, renewed: {content != before[host.name][path][1]}")
    say("every key was renewed, and belongs to its service")


def keys_of(host: Machine) -> dict[str, tuple[int, bytes]]:
    """Owner and contents of each key of a host."""
    folder = host.root / "etc/bringup/pki"
    return {
        str(path.relative_to(folder)): (path.stat().st_uid, path.read_bytes()) for path in folder.rglob("*-key.pem")
    }


def removed_and_back(ca: Machine) -> None:
    """Data and keys stay after `remove`, and `init` takes them up again."""
    before = (ca.root / "etc/bringup/ca/ca/ca-key.pem").read_bytes()
    shell(ca, "bringup site remove")
    if re.search(r"bringup-.*\.service", shell(ca, "ls /etc/systemd/system")):
        raise Failed("a unit file is still there")
    say(last_line(shell(ca, INIT)))
    if (ca.root / "etc/bringup/ca/ca/ca-key.pem").read_bytes() != before:
        raise Failed("the CA is another one")


def main() -> int:
    parser = ArgumentParser()
    parser.add_argument("--cache", type=Path, required=True, help="keeps the Debian between runs")
    parser.add_argument("--source", type=Path, required=True, help="a release, or wheels: bringup and what it needs")
    parser.add_argument("--machines", type=int, default=320)
    options = parser.parse_args()
    image, scratch, network = (
        Image(options.cache),
        Path(tempfile.mkdtemp(prefix="bringup-deploy-")),
        Network("h1", "w1"),
    )
    hosts: list[Machine] = []
    try:
        hosts += [Machine(image, scratch, network, name, [options.source.absolute()]) for name in ("h1", "w1")]
        ca, other = hosts
        first_host(ca, options.source)
        second_host(ca, other, options.source)
        trust_ssh(ca, other)
        permit_simulated_machines(hosts)
        rows = flips_under_load(ca, network, scratch, options.machines)
        goes_back(ca)
        flip(ca, "production")
        renewed(hosts)
        removed_and_back(ca)
        sys.stdout.write("\n".join(["| what | runs in flight | API away | passed |", "|---|---|---|---|", *rows, ""]))
    except (Failed, AssertionError, subprocess.CalledProcessError) as failure:
        say(f"FAILED: {failure}")
        return 1
    finally:
        for host in hosts:
            host.remove()
        network.remove()
    say("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
