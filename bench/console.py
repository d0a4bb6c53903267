"""The console with so many machines and viewers: when a page is there, when a change is seen, and what it costs.

The baseline in the same run is one viewer: the API must not notice how many more there are, and neither must a machine
that sends heartbeats. Real processes: Redis, the API, `bringup console`. The viewers are threads that poll as a browser
does.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Event, Thread

import click
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from bench.heartbeats import HeartbeatSender
from bench.processes import cpu_s, pss_mb
from bringup import model, tls
from bringup.connections.api_client import ApiClient
from bringup.operators import Operator, OperatorRole, Operators, token_hash
from bringup.wire.operator import DeviceChange, DeviceView
from bringup_cli.demo.stack import Stack, free_port

_POLL_S = 2.0  # as in the page
_CHANGES_EVERY_S = 0.2
_PEOPLE = 10  # who share the viewers: a person has at most ten sessions
_TOKEN = "a-token-of-the-bench-of-32-letters-{}"  # noqa: S105 - of nothing but this stack
# What is promised on two cores that do nothing else.
_WANTED = {
    "first page, s": 1.0,
    "lists of all at once, s": 1.0,
    "change seen, p99, s": 3.0,
    "console, % of a core": 15.0,
}


@dataclass
class Viewer:
    """One browser that looks at one page; ``seen``: when it first had each text."""

    base: str
    token: str
    page: str
    seen: dict[str, float] = field(default_factory=dict)
    first_page_s: float = 0.0
    polls: int = 0
    ca: Path | None = None  # of the page, with TLS
    browser: requests.Session = field(default_factory=requests.Session)

    def look(self, stopping: Event, delay_s: float) -> None:
        """Load the page, and poll it until ``stopping``."""
        stopping.wait(delay_s)
        began = time.monotonic()
        text = self.load(self.page)
        self.first_page_s = time.monotonic() - began
        poll = _poll_in(text)
        while not stopping.wait(_POLL_S):
            text = self.load(poll)
            self.polls += 1
            if text:
                poll = _poll_in(text)
                self._note(text)

    def loads(self, text: str) -> bool:
        """Whether the page has ``text`` now."""
        if not self.browser.cookies:
            self.sign_in()
        return text in self.load(self.page)

    def sign_in(self) -> None:
        """Begin a session, as a browser that tries once more when a kept connection has been closed."""
        self.browser.trust_env = False
        self.browser.verify = str(self.ca) if self.ca else True
        self.browser.mount(self.base, HTTPAdapter(max_retries=Retry(3, allowed_methods=None, backoff_factor=0.1)))
        origin = {"Origin": self.base}
        self.browser.post(f"{self.base}/sign-in", data={"token": self.token}, headers=origin, timeout=60)

    def load(self, path: str) -> str:
        """What the console answers."""
        return self.browser.get(self.base + path, timeout=60).text

    def _note(self, text: str) -> None:
        for part in text.split("change-")[1:]:
            self.seen.setdefault(part[:6], time.time())


@click.command()
@click.option("--machines", default=10_000, show_default=True)
@click.option("--viewers", default=50, show_default=True)
@click.option("--seconds", default=30.0, show_default=True, help="Of each of the two measurements.")
@click.option("--tls/--plain", default=False, help="Viewers by HTTPS, and mutual TLS behind the page.")
def main(machines: int, viewers: int, seconds: float, *, tls: bool) -> None:
    """Measure one viewer, then many, beside each other."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as text,
        _stack(Path(text), machines, tls=tls) as (stack, base),
    ):
        changes, machine = count(), HeartbeatSender(stack)
        rows = {number: _measured(stack, base, number, seconds, changes, machine=machine) for number in (1, viewers)}
    for name in rows[1]:
        one, many = rows[1][name], rows[viewers][name]
        wanted = f"   wanted: {_WANTED[name]:g}" if name in _WANTED else ""
        click.echo(f"{name:<28}{one:>10.2f}{many:>10.2f}{wanted}")


@contextmanager
def _stack(folder: Path, machines: int, *, tls: bool) -> Iterator[tuple[Stack, str]]:
    (folder / "devices.toml").write_text("".join(map(_entry, range(machines))))
    (folder / "dnsmasq.log").touch()
    port, path = free_port(), folder / "operators.toml"
    roles = {"console": OperatorRole.CONSOLE} | {f"p{n}": OperatorRole.OPERATOR for n in range(_PEOPLE)}
    Operators(
        Operator(name=name, role=role, token_sha256=token_hash(_TOKEN.format(name)), added=model.utc_now())
        for name, role in roles.items()
    ).write(path)
    path.chmod(0o600)
    flags = dict.fromkeys(("REDIS_USE_TLS", "API_USE_TLS"), "true" if tls else "false")
    own = {"CONSOLE_TOKEN": _TOKEN.format("console"), "OPERATORS_FILE": str(path), "API_REQUIRE_CLIENT_CERT": "false"}
    with Stack(folder, {"ENVIRONMENT": "development"} | flags | own) as stack:
        stack.start_redis()
        stack.start("api")
        stack.start_console(port, _certificates(stack) if tls else {})
        base = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        _await(base, _ca(stack))
        yield stack, base


def _certificates(stack: Stack) -> dict[str, str]:
    """Those of the console and of the people, and the settings that name the first."""
    for person in range(_PEOPLE):
        stack.command("pki", "issue", "operator", "--name", f"p{person}")
    stack.command("pki", "issue", "console", "--name", "console")
    stack.command("pki", "issue", "web", "--name", "console", "--san", "127.0.0.1")
    issued = stack.settings.pki_dir / "issued" / "console"
    return {"API_CLIENT_CERT": f"{issued}/console-cert.pem", "API_CLIENT_KEY": f"{issued}/console-key.pem"}


def _ca(stack: Stack) -> Path | None:
    return stack.settings.path_of("api_tls_ca") if stack.settings.api_use_tls else None


def _client(stack: Stack, person: str) -> ApiClient:
    """The API as a person calls it."""
    issued = stack.settings.pki_dir / "issued" / "operator"
    own = {"api_client_cert": issued / f"{person}-cert.pem", "api_client_key": issued / f"{person}-key.pem"}
    return ApiClient(stack.settings.model_copy(update=own), tls.ClientContexts(), token=_TOKEN.format(person))


def _await(base: str, ca: Path | None) -> None:
    """Return when the console has read the fleet."""
    deadline = time.monotonic() + 120
    viewer = Viewer(base, _TOKEN.format("p0"), "/machines", ca=ca)
    while time.monotonic() < deadline:
        try:
            if viewer.loads("m00000"):
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.5)
    raise click.ClickException("the console did not start")


def _measured(
    stack: Stack, base: str, viewers: int, seconds: float, changes: "count[int]", *, machine: HeartbeatSender
) -> dict[str, float]:
    """Everything of one number of viewers, who look at the page of the machines that change."""
    people = [
        Viewer(base, _TOKEN.format(f"p{n % _PEOPLE}"), "/machines?text=m000", ca=_ca(stack)) for n in range(viewers)
    ]
    for one in people:  # one after the other: an address may not try too often at once
        one.sign_in()
    at_once = _all_at_once(people, stack.pid("console"))
    stopping, made, beats = Event(), dict[str, float](), list[float]()
    threads = [Thread(target=one.look, args=(stopping, n * _POLL_S / viewers)) for n, one in enumerate(people)]
    threads.append(Thread(target=machine.beat, args=(stopping, beats)))
    for thread in threads:
        thread.start()
    time.sleep(_POLL_S + 3)  # all have loaded their page
    polls = sum(one.polls for one in people)
    used = {name: cpu_s(stack.pid(name)) for name in ("api", "console")}
    began = time.monotonic()
    api = _client(stack, "p1")
    while time.monotonic() < began + seconds:
        number = next(changes)
        api.patch(f"/devices/m{number % 100:05d}", DeviceChange(maintenance=f"change-{number:06d}"), DeviceView)
        made[f"{number:06d}"] = time.time()
        time.sleep(_CHANGES_EVERY_S)
    polls = sum(one.polls for one in people) - polls
    spent = {
        name: (cpu_s(stack.pid(name)) - before) / (time.monotonic() - began) * 100 for name, before in used.items()
    }
    time.sleep(_POLL_S + 1)
    stopping.set()
    for thread in threads:
        thread.join()
    late = sorted(one.seen[key] - at for one in people for key, at in made.items() if key in one.seen)
    return {
        "first page, s": max(one.first_page_s for one in people),
        **at_once,
        "change seen, p50, s": statistics.median(late),
        "change seen, p99, s": late[int(len(late) * 0.99)],
        "console, % of a core": spent["console"],
        "console, ms of CPU a poll": spent["console"] / 100 * seconds / polls * 1000,
        "polls a second": polls / seconds,
        "API, % of a core": spent["api"],
        "heartbeat, p50, ms": statistics.median(beats),
        "heartbeat, p99, ms": sorted(beats)[int(len(beats) * 0.99)],
        "console, MB": pss_mb(stack.pid("console")),
    }


def _all_at_once(people: Sequence[Viewer], pid: int) -> dict[str, float]:
    """All ask for a page in the same moment, each for a list that nobody has asked for: when the last one has it."""
    began, used = time.monotonic(), cpu_s(pid)
    with ThreadPoolExecutor(len(people)) as pool:
        list(pool.map(lambda one, n: one.load(f"/machines?text=m{n:03d}&group=none"), people, range(len(people))))
    took_s, used = time.monotonic() - began, cpu_s(pid) - used
    return {"lists of all at once, s": took_s, "of which CPU, ms a list": used / len(people) * 1000}


def _poll_in(text: str) -> str:
    return text.split('id="live" hx-get="')[1].split('"', maxsplit=1)[0].replace("&amp;", "&")


def _entry(n: int) -> str:
    mac = f"02:00:00:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}"
    return f'[[device]]\nname = "m{n:05d}"\nbmc_mac = "{mac}"\nbmc = "simulated://127.0.0.1:9/m{n:05d}"\n'


if __name__ == "__main__":
    main()
