"""Hosts with an address of their own: each in a network namespace, on one bridge that this process reaches, too."""

import os
import random
import subprocess

LOOPBACK = "127.0.0.1"


class Network:
    """Namespaces where the system permits them; elsewhere every host is 127.0.0.1.

    Args:
        hosts: their names.
    """

    def __init__(self, *hosts: str) -> None:
        self._prefix = f"bringup-{os.getpid()}"
        self._link = f"site{os.getpid() % 10**6}"
        self._subnet = f"10.{random.randrange(128, 250)}.{random.randrange(250)}"  # noqa: S311 - no secret
        self._numbers = {host: number for number, host in enumerate(hosts, start=10)}
        self.is_real = _ip("netns", "add", self._switch)
        if self.is_real:
            self._connect()

    def address(self, host: str) -> str:
        """By which the others reach a host."""
        return f"{self._subnet}.{self._numbers[host]}" if self.is_real else LOOPBACK

    @property
    def gateway(self) -> str:
        """The address of this process's link."""
        return f"{self._subnet}.1" if self.is_real else LOOPBACK

    def on(self, host: str) -> tuple[str, ...]:
        """What a command is preceded by, to run on a host."""
        return ("ip", "netns", "exec", self._namespace(host)) if self.is_real else ()

    def cut(self, host: str) -> None:
        """From here on nothing reaches a host, and nothing is refused by it: as when its power is off."""
        assert _ip("-n", self._switch, "link", "set", f"port{self._numbers[host]}", "down")

    def connect(self, host: str) -> None:
        """The end of `cut`."""
        assert _ip("-n", self._switch, "link", "set", f"port{self._numbers[host]}", "up")

    def remove(self) -> None:
        """Remove every namespace, and our link with them; their processes have ended."""
        if self.is_real:
            # By itself: the one at the end of a namespace goes some time after it, and the next network has its name.
            _ip("link", "del", self._link)
            for name in (*map(self._namespace, self._numbers), self._switch):
                _ip("netns", "del", name)

    @property
    def _switch(self) -> str:
        return f"{self._prefix}-switch"

    def _namespace(self, host: str) -> str:
        return f"{self._prefix}-{host}"

    def _connect(self) -> None:
        """A bridge, a link from it to each host, and one to this process."""
        done = [
            _ip("-n", self._switch, "link", "add", "br0", "type", "bridge"),
            _ip("-n", self._switch, "link", "set", "br0", "up"),
            _ip("link", "add", self._link, "type", "veth", "peer", "name", "port1", "netns", self._switch),
            _ip("addr", "add", f"{self.gateway}/24", "dev", self._link),
            _ip("link", "set", self._link, "up"),
        ]
        for host, number in self._numbers.items():
            namespace, port = self._namespace(host), f"port{number}"
            done += [
                _ip("netns", "add", namespace),
                _ip("-n", namespace, "link", "set", "lo", "up"),
                _ip(
                    "-n", namespace, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", self._switch
                ),
                _ip("-n", namespace, "addr", "add", f"{self.address(host)}/24", "dev", "eth0"),
                _ip("-n", namespace, "link", "set", "eth0", "up"),
            ]
        for port in ("port1", *(f"port{number}" for number in self._numbers.values())):
            done += [_ip("-n", self._switch, "link", "set", port, "master", "br0", "up")]
        assert all(done), "a network of namespaces cannot be made, although one namespace can"


def _ip(*arguments: str) -> bool:
    """Whether the command could be run, and has succeeded."""
    try:
        return subprocess.run(("ip", *arguments), capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
