"""The hooks that the DHCP servers run, run as they run them."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bringup.model import LeaseEvent
from dhcp_tailer.sources.jsonl import JsonLines
from dhcp_tailer.sources.parser import NO_MAC, Skip

HOOKS = Path(__file__).parents[3] / "scripts" / "dhcp"
HOSTILE = '"; $(touch pwned) `touch pwned` \'\n{"event_type": "add"}\\\x1b[2J\udcff\udcfe%s %n'
MAC = "02:00:00:00:00:01"


class Hook:
    """A copy of the hooks that writes into a file of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.leases = folder / "leases.jsonl"
        shutil.copytree(HOOKS, folder / "hooks")
        library = folder / "hooks" / "lease-line.sh"
        text = library.read_text().replace("/var/lib/bringup/leases.jsonl", str(self.leases))
        library.write_text(text.replace("/etc/default/bringup-dhcp", str(folder / "default")))

    def start(self, name: str, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
        environ = {"PATH": os.environ["PATH"], **environ}
        return subprocess.Popen([self.folder / "hooks" / name, *arguments], env=environ, cwd=self.folder)

    def run(self, name: str, *arguments: str, **environ: str) -> int:
        return self.start(name, *arguments, **environ).wait(180)

    def lines(self, number: int) -> list[bytes]:
        deadline = time.monotonic() + 180
        while not self.leases.exists() or self.leases.read_bytes().count(b"\n") < number:
            assert time.monotonic() < deadline, "the line did not come"
            time.sleep(0.01)
        return self.leases.read_bytes().splitlines()

    def event(self) -> LeaseEvent:
        parsed = JsonLines().parse(self.lines(1)[-1])
        assert isinstance(parsed, LeaseEvent), parsed
        return parsed


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    return Hook(tmp_path)


def dnsmasq(hook: Hook, event: str = "add", *, ip: str = "10.77.4.16", mac: str = MAC, **more: str) -> None:
    environ = {"DNSMASQ_LEASE_EXPIRES": "1795427016", "DNSMASQ_TIME_REMAINING": "120", **more}
    assert hook.run("dnsmasq", event, mac, ip, "idrac", **environ) == 0


def isc(hook: Hook, event: str = "commit", ciaddr: str = "0.0.0.0", vendor: str = "iDRAC") -> None:  # noqa: S104
    arguments = (event, "10.77.1.0", "2:0:0:0:0:1", ciaddr, "120", "idrac", vendor, "1:2", "rd")
    assert hook.run("isc-dhcpd", *arguments) == 0


def kea(hook: Hook, point: str = "leases4_committed", **more: str) -> None:
    lease = {"ADDRESS": "10.77.1.0", "HWADDR": MAC, "HOSTNAME": "idrac", "CLTT": "1795432382", "VALID_LIFETIME": "40"}
    environ = {f"{prefix}_{name}": value for prefix in ("LEASES4_AT0", "LEASE4") for name, value in lease.items()}
    assert hook.run("kea", point, **{**environ, "LEASES4_SIZE": "1", **more}) == 0


def test_dnsmasq_writes_all_that_it_knows_and_when_the_lease_began(hook: Hook) -> None:
    dnsmasq(hook, DNSMASQ_VENDOR_CLASS="iDRAC", DNSMASQ_CLIENT_ID="01:02", DNSMASQ_CIRCUIT_ID="rd")
    event = hook.event()
    assert (event.run_id, event.hostname, event.vendor_class, event.client_id, event.circuit_id) == (
        "02-00-00-00-00-01-1795426896",
        "idrac",
        "iDRAC",
        "01:02",
        "rd",
    )


@pytest.mark.parametrize(
    ("event", "more", "action"),
    [
        ("add", {}, "assigned"),
        ("old", {}, "assigned"),  # with the client's options: it boots again
        ("old", {"DNSMASQ_DATA_MISSING": "1"}, "renewed"),
        ("del", {"DNSMASQ_LEASE_EXPIRES": "9999999999"}, "released"),
        ("del", {"DNSMASQ_LEASE_EXPIRES": "1795427016"}, "expired"),
    ],
)
def test_events_of_dnsmasq_are_distinguished(hook: Hook, event: str, more: dict[str, str], action: str) -> None:
    hook.run("dnsmasq", "tftp", "1", "10.0.0.1", "file")
    if action == "expired":
        more = {"DNSMASQ_LEASE_EXPIRES": str(int(time.time()) - 1)}
    dnsmasq(hook, event, **more)
    assert hook.event().action == action
    assert len(hook.lines(1)) == 1


def test_a_dhcpv6_lease_of_dnsmasq_has_the_mac_of_its_duid(hook: Hook) -> None:
    dnsmasq(hook, ip="fd00::1", mac="00:03:00:01:02:00:00:00:00:77", DNSMASQ_IAID="1")
    assert hook.event().mac == "02:00:00:00:00:77"
    dnsmasq(hook, ip="fd00::1", mac="00:02:00:00:ab:11", DNSMASQ_IAID="1")
    assert JsonLines().parse(hook.lines(2)[1]) == NO_MAC


@pytest.mark.parametrize(
    ("event", "ciaddr", "action"),
    [
        ("commit", "0.0.0.0", "assigned"),  # noqa: S104
        ("commit", "", "assigned"),
        ("commit", "10.77.1.0", "renewed"),
        ("release", "", "released"),
        ("expiry", "", "expired"),
    ],
)
def test_events_of_isc_dhcpd_are_distinguished(hook: Hook, event: str, ciaddr: str, action: str) -> None:
    isc(hook, event, ciaddr)
    found = hook.event()
    assert (found.action.value, found.mac) == (action, MAC)


@pytest.mark.parametrize(
    ("point", "more", "action"),
    [
        ("leases4_committed", {"QUERY4_CIADDR": "0.0.0.0"}, "assigned"),  # noqa: S104
        ("leases4_committed", {"QUERY4_CIADDR": "10.77.1.0"}, "renewed"),
        ("lease4_release", {}, "released"),
        ("lease4_expire", {}, "expired"),
    ],
)
def test_events_of_kea_are_distinguished(hook: Hook, point: str, more: dict[str, str], action: str) -> None:
    hook.run("kea", "lease4_renew", LEASE4_ADDRESS="10.0.0.1")
    kea(hook, point, **more)
    assert hook.event().action == action
    assert len(hook.lines(1)) == 1


def test_a_commit_of_kea_without_leases_says_nothing(hook: Hook) -> None:
    kea(hook, LEASES4_SIZE="0")
    assert not hook.leases.exists()


HOSTILE_CALLS: dict[str, Callable[[Hook], None]] = {
    "dnsmasq": lambda hook: dnsmasq(hook, DNSMASQ_VENDOR_CLASS=HOSTILE),
    "isc": lambda hook: isc(hook, vendor=HOSTILE),
    "kea": lambda hook: kea(hook, LEASES4_AT0_HOSTNAME=HOSTILE),
}


@pytest.mark.parametrize("server", HOSTILE_CALLS)
def test_text_of_a_client_is_text(hook: Hook, server: str) -> None:
    HOSTILE_CALLS[server](hook)
    (line,) = hook.lines(1)
    event = JsonLines().parse(line)
    assert isinstance(event, LeaseEvent)
    text = event.hostname if server == "kea" else event.vendor_class
    assert text is not None
    assert text.startswith('"; $(touch pwned) `touch pwned` \'\\n{"event_type": "add"}\\')
    assert text.isprintable()
    assert not (hook.folder / "pwned").exists()


def test_lines_of_hooks_that_run_at_once_never_mix(hook: Hook) -> None:
    environ = dict.fromkeys(("DNSMASQ_VENDOR_CLASS", "DNSMASQ_CLIENT_ID", "DNSMASQ_CIRCUIT_ID"), "\x01" * 4000)
    environ |= {"DNSMASQ_LEASE_EXPIRES": "1795427016", "DNSMASQ_TIME_REMAINING": "120"}
    running = [hook.start("dnsmasq", "add", MAC, f"10.0.0.{n}", "\x01" * 4000, **environ) for n in range(40)]
    assert {process.wait(180) for process in running} == {0}
    parsed: list[Any] = [JsonLines().parse(line) for line in hook.lines(40)]
    assert sorted(str(event.ip) for event in parsed) == sorted(f"10.0.0.{n}" for n in range(40))
    assert max(map(len, hook.lines(40))) < 4096  # what one write of any shell holds


@pytest.mark.parametrize("name", ["dnsmasq", "isc-dhcpd", "kea"])
def test_a_hook_never_fails_and_never_waits(hook: Hook, name: str) -> None:
    os.mkfifo(hook.leases)  # nobody reads: opening it blocks for ever
    started = time.monotonic()
    lease = {"LEASES4_SIZE": "1", "LEASES4_AT0_ADDRESS": "10.0.0.1"}
    first = "leases4_committed" if name == "kea" else "add" if name == "dnsmasq" else "commit"
    assert hook.run(name, first, "10.0.0.1", MAC, **lease) == 0
    assert time.monotonic() - started < 60
    hook.leases.unlink()
    hook.leases.mkdir()
    assert hook.run(name, first, "10.0.0.1", MAC, **lease) == 0
    assert hook.run(name) == 0


def test_where_the_lines_go_is_configured_in_one_place(hook: Hook) -> None:
    (hook.folder / "default").write_text(f"BRINGUP_LEASES={hook.folder}/elsewhere\n")
    dnsmasq(hook)
    assert isinstance(JsonLines().parse((hook.folder / "elsewhere").read_bytes().strip()), LeaseEvent)


def test_a_lease_without_a_time_is_malformed_and_not_silent(hook: Hook) -> None:
    kea(hook, LEASES4_AT0_CLTT="")
    parsed = JsonLines().parse(hook.lines(1)[0])
    assert isinstance(parsed, Skip)
    assert parsed.malformed
