"""A host that is lost under load and comes back; the first host that is lost for good, and restored from its backup."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.deploy.flips import IN_FLIGHT, Load
from tests.e2e.deploy.machines import Machine
from tests.e2e.deploy.site import (
    INIT,
    LEASES,
    install,
    known_runs,
    last_line,
    put_image,
    require,
    say,
    self_test,
    shell,
)

_BACKUP = "/root/site.backup"
_WITH_PASSPHRASE = "--passphrase-file /root/backup.passphrase"
# Seconds without a host, under load: its worker is missed after 60.
_AWAY_S = 90


def host_lost(other: Machine, loaded: Load, machines: range) -> str:
    """Switched off with runs in flight, and on again: nobody has to do anything; the table's row."""
    with loaded.leases(machines) as leases:
        in_flight = loaded.await_in_flight(min(IN_FLIGHT, len(machines) // 4))
        other.switch_off()
        say(f"{other.name} is switched off")
        time.sleep(_AWAY_S)
        other.boot()
        say(f"{other.name} has booted")
    row = loaded.count(leases)
    say(last_line(self_test(other)))
    return f"| {other.name} off for {_AWAY_S} s | {in_flight} | - | {row} |"


def restored(hosts: list[Machine], source: Path, again: Callable[[], Machine]) -> None:
    """The first host is lost, and its backup restored on an empty Debian with its name and address.

    Args:
        hosts: the first one, in whose place the new one is put, and another, to which nothing is done.
        source: what hosts are installed from.
        again: boots the empty Debian.
    """
    ca, other = hosts
    (ca.root / "root/backup.passphrase").write_text("a passphrase of one backup\n")
    shell(ca, f"bringup backup {_BACKUP} --folder /etc/bringup {_WITH_PASSPHRASE}")
    runs, ca_key = known_runs(ca), _ca_key(ca)
    kept = {name: (ca.root / "root" / name).read_bytes() for name in ("site.backup", "backup.passphrase")}
    hosts.remove(ca)
    ca.remove()
    say(f"{ca.name} is lost for good")
    new = again()
    hosts.insert(0, new)
    for name, data in kept.items():
        (new.root / "root" / name).write_bytes(data)
    (new.root / LEASES).touch()
    install(new, source)
    shell(new, f"bringup restore {_BACKUP} {_WITH_PASSPHRASE}")
    put_image(new)  # no backup has it: it is built, not made here
    withheld = shell(new, INIT, status=1)
    require("--accept-redis" in withheld, withheld)
    shell(new, "systemctl set-environment ACCEPT_REDIS=1 && systemctl restart bringup-api")
    shell(new, "systemctl unset-environment ACCEPT_REDIS && systemctl restart bringup-api")
    say(last_line(shell(new, INIT)))
    require(known_runs(new) == runs, "runs are missing")
    require(_ca_key(new) == ca_key, "the CA is another one")
    say(last_line(self_test(other)))


def _ca_key(host: Machine) -> bytes:
    return (host.root / "etc/bringup/ca/ca/ca-key.pem").read_bytes()
