"""A site as a person makes it: the commands of docs/production.md, typed on its hosts."""

import json
import sys
import time
from pathlib import Path

from bringup.wire.machine import AREA_HEAD, AREA_SIZE
from bringup_cli.exit_status import EXIT_USAGE
from tests.e2e.deploy.machines import Machine

# As a person types it on a fresh Debian 12, with a release or a folder of wheels in /srv/FOLDER, and no other network
# than that of the site.
BUNDLE = ("tar -xf /srv/{folder}/bringup-*-debian12-amd64.tar", "bringup-*-debian12-amd64/install")
WHEELS = (
    "python3 -m venv /opt/bringup",
    "/opt/bringup/bin/pip install --quiet --no-index --find-links /srv/{folder} bringup",
    "ln -s /opt/bringup/bin/bringup /usr/bin/bringup",
)
LEASES = "var/log/leases.jsonl"
INIT = f"bringup site init --dhcp-source jsonl --dhcp-path /{LEASES}"
MOST_COMMANDS = 5
PASSPHRASE = "a passphrase for one test"


class Failed(Exception):
    """A promise was not kept."""


def require(kept: object, why: str) -> None:
    """Raises Failed, with the reason, unless a promise was kept."""
    if not kept:
        raise Failed(why)


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
    (machine.root / LEASES).touch()
    commands = install(machine, source) + 1
    for after_s in (0.7, 2.0, 4.0):
        machine.try_to("timeout", "--signal=KILL", str(after_s), *INIT.split())
    say("bringup site init was killed three times")
    output = shell(machine, INIT)
    say(last_line(output))
    require(commands <= MOST_COMMANDS, f"{commands} commands")
    require("PASSED" in last_line(output), output)
    require("unchanged" in shell(machine, INIT), "a second init has changed everything")


def second_host(ca: Machine, machine: Machine, source: Path) -> None:
    """Installed as the first; then one command on the CA's host, and one on it."""
    (machine.root / LEASES).touch()
    install(machine, source)
    joined(ca, machine)


def joined(ca: Machine, machine: Machine) -> None:
    """One command on the CA's host, and one on the host that joins."""
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


def self_test(machine: Machine, role: str = "worker", *, status: int = 0) -> str:
    """What the self-test of one of its services printed, by that service's settings."""
    return shell(machine, f"bringup --env-file /etc/bringup/{role}.env selftest", status=status)


def flip(ca: Machine, mode: str, *, status: int = 0) -> dict[str, object]:
    """The report of a flip."""
    output = shell(ca, f"bringup site flip {mode} --ssh 'ssh root@{{host}}' --output json 2>/dev/null", status=status)
    report: dict[str, object] = json.loads(output[output.index('{\n  "mode"') :])
    say(
        f"flip to {mode}: passed={report['passed']} went_back={report['went_back']} API away {report['api_outage_s']} s"
    )
    return report


def removed_and_back(ca: Machine) -> None:
    """Data and keys stay after `remove`, and `init` goes on with them."""
    before, runs = (ca.root / "etc/bringup/ca/ca/ca-key.pem").read_bytes(), known_runs(ca)
    shell(ca, "bringup site remove")
    units = [path.name for path in (ca.root / "etc/systemd/system").glob("bringup-*.service")]
    require(not units, f"unit files are still there: {units}")
    say(last_line(shell(ca, INIT)))
    require((ca.root / "etc/bringup/ca/ca/ca-key.pem").read_bytes() == before, "the CA is another one")
    require(known_runs(ca) == runs, "runs are missing")


def known_runs(ca: Machine) -> set[str]:
    """The ids of all runs that the site knows."""
    text = shell(ca, "bringup --env-file /etc/bringup/worker.env runs --limit 10000 --output json 2>/dev/null")
    return {run["run_id"] for run in json.loads(text)}


def put_image(host: Machine) -> None:
    """As small as an image may be, and no machine boots it: what lays a run's parameters over it finds their place."""
    image = host.root / "etc/bringup/bringup-validation.iso"
    image.write_bytes(AREA_HEAD.ljust(AREA_SIZE).rjust(2 * AREA_SIZE))


def adds_roles(ca: Machine) -> None:
    """Roles that are added later: one command, once the image is there."""
    command = "bringup site init --role images --role console"
    require("bringup-validation.iso is not there" in shell(ca, command, status=EXIT_USAGE), "no image is missed")
    put_image(ca)
    say(last_line(shell(ca, command)))
    for role in ("images", "console"):
        say(last_line(self_test(ca, role)))
