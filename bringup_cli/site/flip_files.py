"""What a flip changes in the files of one host: the two switches for TLS, and what follows from them."""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from bringup.files import write_atomically
from bringup_cli.site import bundle, own_redis, registry
from bringup_cli.site.layout import HostLayout

_URLS = ("CALLBACK_API_URL", "IMAGE_BASE_URL")


class FlipMode(StrEnum):
    """What all connections of a site are: mutual TLS, or plain text."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"

    @property
    def other(self) -> "FlipMode":
        """What a flip to this one comes from."""
        return FlipMode.DEVELOPMENT if self is FlipMode.PRODUCTION else FlipMode.PRODUCTION

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings by which it is chosen."""
        flag = str(self is FlipMode.PRODUCTION).lower()
        return {"ENVIRONMENT": self.value, "REDIS_USE_TLS": flag, "API_USE_TLS": flag}

    @property
    def scheme(self) -> str:
        """Of the URLs of the API."""
        return "https" if self is FlipMode.PRODUCTION else "http"


def flipped(text: str, mode: FlipMode) -> str:
    """The text of a file of settings in another mode; what the mode has no part in is unchanged."""
    for name, value in mode.settings.items():
        line = f"{name}={value}"
        text, found = re.subn(rf"^{name}=.*$", line, text, flags=re.MULTILINE)
        text = text if found else f"{text.rstrip()}\n{line}\n"
    for name in _URLS:
        text = re.sub(rf"^{name}=.*$", lambda line: with_scheme(line[0], mode), text, flags=re.MULTILINE)
    return text


def with_scheme(urls: str, mode: FlipMode) -> str:
    """URLs of the API as they are in a mode."""
    return re.sub(r"\bhttps?://", f"{mode.scheme}://", urls)


def settings_files(layout: HostLayout, roles: tuple[registry.HostRole, ...]) -> list[Path]:
    """The files of settings of a host."""
    paths = [layout.site_settings, *(layout.config / bundle.env_file(role) for role in roles)]
    return [path for path in paths if path.exists()]


def differences(layout: HostLayout, roles: tuple[registry.HostRole, ...], mode: FlipMode) -> Iterator[str]:
    """Each line that a flip would change, as ``file: before -> after``; no line with a secret is among them.

    Args:
        layout: the folders of the host.
        roles: what runs there.
        mode: what it would become.
    """
    for path in settings_files(layout, roles):
        text = path.read_text(encoding="utf-8")
        before, after = text.splitlines(), flipped(text, mode).splitlines()
        present = dict(line.split("=", 1) for line in before if "=" in line and not line.startswith("#"))
        for line in after:
            name, _, value = line.partition("=")
            if line not in before:
                yield f"{path}: {name}: {present.get(name, 'not set')} -> {value}"


def change(layout: HostLayout, manifest: bundle.Manifest, mode: FlipMode) -> None:
    """Change the files of a host; services use them from their next start on. Again it changes nothing.

    Args:
        layout: the folders of the host.
        manifest: what runs there.
        mode: what it becomes.
    """
    for path in settings_files(layout, manifest.roles):
        text = path.read_text(encoding="utf-8")
        if (new := flipped(text, mode)) != text:
            write_atomically(path, new, sole_writer=True)
    configuration = own_redis.configuration_of(layout.config, manifest, layout)
    path = layout.config / "redis/redis.conf"
    if configuration is not None and path.read_bytes() != configuration:
        write_atomically(path, configuration, sole_writer=True)
