"""The folder of a site, made from the image as docs/containers.md has a person make it."""

import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess

from bringup.wire.machine import AREA_HEAD, AREA_SIZE

IMAGE = os.environ.get("BRINGUP_IMAGE", "")
SERVICES = ("redis", "api", "images", "console", "worker", "tailer")
USER = 10001
IMAGE_PORT, CONSOLE_PORT = 5001, 5002
PLAIN = {
    "DHCP_SOURCE": "jsonl",
    "DHCP_PATH": "/dhcp/leases.jsonl",
    "IMAGE_PORT": str(IMAGE_PORT),
    "VALIDATION_IMAGE": "/site/images/bringup-validation.iso",
}
TLS = PLAIN | {"ENVIRONMENT": "production", "REDIS_USE_TLS": "true", "API_USE_TLS": "true"}
MAC = "02:5b:00:00:00:01"

Run = Callable[..., CompletedProcess[str]]


class Site:
    """The folder, and commands of bringup in it.

    Args:
        folder: where this process sees it.
        mounted: where podman sees it.
        run: runs a command where podman is.
        settings: what differs from those that `bringup init` writes.
    """

    def __init__(self, folder: Path, mounted: str, run: Run, settings: Mapping[str, str]) -> None:
        self.folder, self._mounted, self.run = folder, mounted, run
        self.uses_tls = "API_USE_TLS" in settings
        for name in ("", "credentials", "images", "pki", "pki/issued"):
            path = folder / name
            path.mkdir(mode=0o700)
            os.chown(path, USER, USER)
        (folder / "devices.toml").touch()
        self.bringup("init")
        env = folder / ".env"
        text = env.read_text()
        for name, value in settings.items():
            text = re.sub(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        env.write_text(text)
        self.bringup("pki", "setup")
        self.bringup("redis-conf")
        base = AREA_HEAD.ljust(AREA_SIZE)
        (folder / "images/bringup-validation.iso").write_bytes(bytes(2048) + base + bytes(2048))
        self._make_console(settings)

    def _make_console(self, settings: Mapping[str, str]) -> None:
        """Its token, its certificates, and settings of its own."""
        printed = self.bringup("operator", "add", "console", "--role", "console")
        lines = [*re.findall(r"CONSOLE_TOKEN=\S+", printed), "API_CLIENT_CERT=pki/issued/console/console-cert.pem"]
        lines += ["API_CLIENT_KEY=pki/issued/console/console-key.pem"]
        lines += [f"{name}={settings[name]}" for name in ("ENVIRONMENT", "API_USE_TLS") if name in settings]
        (self.folder / "console.env").write_text("\n".join(lines) + "\n")
        (self.folder / "console.env").chmod(0o600)
        os.chown(self.folder / "console.env", USER, USER)
        if self.uses_tls:
            self.bringup("pki", "issue", "console", "--name", "console")
            self.bringup("pki", "issue", "web", "--name", "console", "--san", "127.0.0.1")

    def podman_run(self, *words: str) -> CompletedProcess[str]:
        confined = ("--rm", "--read-only", "--cap-drop=ALL", "--network=host", "--tmpfs=/tmp")
        return self.run("podman", "run", *confined, f"--volume={self._mounted}:/site", *words)

    def bringup(self, *words: str, env_file: str = "") -> str:
        env = [f"--env=BRINGUP_ENV_FILE={env_file}"] if env_file else []
        done = self.podman_run("--env=STATE_DIR=/tmp", *env, IMAGE, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def assert_self_test_passes(self) -> None:
        """It finds a worker and a tailer, too."""
        report = self.bringup("selftest", env_file=".env:redis/worker.env")
        for line in (r"PASSED: \d+ ok", "OK +chain.workers", "OK +chain.tailers"):
            assert re.search(f"^{line}", report, re.MULTILINE), report

    def knows_machine(self) -> bool:
        """Whether `lease()` has become a run."""
        return MAC.replace(":", "-") in self.bringup("runs", "--output", "json", env_file=".env:redis/operator.env")


def lease() -> str:
    """A line of a DHCP file, of now."""
    now = time.strftime("%FT%TZ", time.gmtime())
    return f'{{"event_type": "assigned", "timestamp": "{now}", "data": {{"ip": "10.0.0.11", "mac": "{MAC}"}}}}\n'
