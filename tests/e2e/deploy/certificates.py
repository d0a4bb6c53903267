"""Certificates of a site over time: a new CA, renewal, a host that is cut off and joins again."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from cryptography import x509

from tests.e2e.deploy.machines import Machine
from tests.e2e.deploy.site import joined, last_line, require, say, self_test, shell

# Days of the certificates that the new CA signs: 14 minutes. They are due for renewal after two thirds of them, and a
# pass of all hosts takes half a minute on a busy computer.
_SHORT_DAYS = 0.01
_LONG_S = 86400.0  # what the renewed ones have at least
# Seconds for each, on a busy computer: every pass of a host takes 10 s there.
_ROLLOVER_S, _RENEWAL_S, _CUT_OFF_S = 540, 1200, 120
_SHORT = f"[Service]\nExecStart=\nExecStart=/usr/bin/bringup site sign --days {_SHORT_DAYS}\n"


def rolled_over(hosts: list[Machine]) -> None:
    """A new CA and new keys for every service, by the timers' units alone: each key still belongs to its service."""
    ca, before = hosts[0], _keys_of(hosts)
    drop_in = ca.root / "etc/systemd/system/bringup-sign.service.d/short.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(_SHORT)
    shell(ca, "systemctl daemon-reload && bringup pki rollover start")
    _passes_until(hosts, lambda: _has_one_ca(ca), _ROLLOVER_S)
    drop_in.unlink()
    drop_in.parent.rmdir()
    shell(ca, "systemctl daemon-reload")
    _require_renewed(before, _keys_of(hosts))
    say("the CA is another one, every key was renewed, and belongs to its service")


def renewed(hosts: list[Machine]) -> None:
    """Certificates that are due are renewed, by the same units."""
    before = _keys_of(hosts)
    _passes_until(hosts, lambda: all(end - time.time() > _LONG_S for end in _ends_of(hosts)), _RENEWAL_S)
    _require_renewed(before, _keys_of(hosts))
    for host in hosts:
        say(last_line(self_test(host)))
    say("every certificate was renewed when it was due")


def revoked(ca: Machine, other: Machine) -> None:
    """A host that is revoked is refused, by the API and by Redis; forgotten and enrolled, it joins again."""
    shell(ca, f"bringup site revoke {other.name} --reason key-compromise")
    deadline = time.monotonic() + _CUT_OFF_S
    while "PASSED" in last_line(_try_self_test(other)):
        require(time.monotonic() < deadline, "the revoked host is still served")
    rows = json.loads(shell(ca, "bringup site status --output json 2>/dev/null"))
    say(f"{other.name} is cut off: {json.dumps(rows)[:500]}")
    shell(ca, f"bringup site forget {other.name}")
    joined(ca, other)
    say(last_line(self_test(other)))


def _try_self_test(host: Machine) -> str:
    done = host.try_to("bringup", "--env-file", "/etc/bringup/worker.env", "selftest")
    return done.stdout + done.stderr


def _has_one_ca(ca: Machine) -> bool:
    return "No CA rollover is under way" in shell(ca, "bringup pki rollover status 2>&1 || true")


def _passes_until(hosts: list[Machine], reached: Callable[[], bool], within_s: float) -> None:
    """What the timers start, at once and again and again."""
    deadline, ca = time.monotonic() + within_s, hosts[0]
    while True:
        for host in hosts:
            host.try_to("systemctl", "start", "bringup-renew.service")
        ca.try_to("systemctl", "start", "bringup-sign.service")
        if reached():
            return
        require(time.monotonic() < deadline, "\n".join(_last_passes(host) for host in hosts))
        time.sleep(1)


def _last_passes(host: Machine) -> str:
    units = ("--unit", "bringup-renew", "--unit", "bringup-sign")
    return f"{host.name}:\n{host.run('journalctl', *units, '--lines', '40', '--output', 'cat', '--no-pager')}"


def _keys_of(hosts: list[Machine]) -> dict[Path, tuple[int, bytes]]:
    """Owner and contents of each key of the hosts."""
    found = [path for host in hosts for path in (host.root / "etc/bringup/pki").rglob("*-key.pem")]
    return {path: (path.stat().st_uid, path.read_bytes()) for path in found}


def _require_renewed(before: dict[Path, tuple[int, bytes]], after: dict[Path, tuple[int, bytes]]) -> None:
    for path, (owner, content) in after.items():
        require(owner == before[path][0], f"{path} belongs to {owner}, not to {before[path][0]}")
        require(content != before[path][1], f"{path} was not renewed")


def _ends_of(hosts: list[Machine]) -> list[float]:
    """When each certificate of the hosts ends, in Unix seconds."""
    folders = [host.root / "etc/bringup/pki" for host in hosts]
    paths = [
        key.with_name(key.name.replace("-key", "-cert")) for folder in folders for key in folder.rglob("*-key.pem")
    ]
    return [x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc.timestamp() for path in paths]
