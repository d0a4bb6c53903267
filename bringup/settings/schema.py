"""The effective configuration: the fields of `bringup.settings.fields`, what follows from them, and its secrets."""

import os
import pwd
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic.fields import FieldInfo

from bringup.settings.fields import Fields
from bringup.settings.types import Address, addresses_in, urls_in

_OTHERS = 0o066  # reading and writing by the group and by everybody


class Settings(Fields):
    """The effective configuration: frozen, validated, complete. Made by `bringup.settings.load`."""

    @property
    def roles(self) -> frozenset[str]:
        """What runs on this host; none: everything, as in development."""
        return frozenset(filter(None, self.host_roles.split(",")))

    @property
    def sentinels(self) -> tuple[Address, ...]:
        """Host and port of each sentinel; none: REDIS_HOST is the one Redis."""
        return addresses_in(self.redis_sentinels)

    @property
    def redis_address(self) -> str:
        """Where Redis is, for messages."""
        if self.sentinels:
            return f"{self.redis_sentinel_name} (its sentinels: {self.redis_sentinels})"
        return f"{self.redis_host}:{self.redis_port}"

    @property
    def audit_path(self) -> Path:
        """The audit log of this host."""
        return self.audit_file or self.state_dir / "audit.jsonl"

    @property
    def api_url(self) -> str:
        """Base URL of the API, without a slash at its end: on an API host its own, elsewhere the first."""
        return self.api_urls[0]

    @property
    def api_urls(self) -> tuple[str, ...]:
        """Base URLs of the API, without a slash at the end: this host's own before the others."""
        own = self._listening_url
        listed = urls_in(self.callback_api_url)
        return tuple(sorted(listed, key=lambda url: url != own)) or (own,)

    @property
    def _listening_url(self) -> str:
        scheme = "https" if self.api_use_tls else "http"
        host = f"[{self.callback_api_host}]" if ":" in self.callback_api_host else self.callback_api_host
        return f"{scheme}://{host}:{self.callback_api_port}"

    @property
    def machines_need_certificates(self) -> bool:
        """Whether a machine must present the certificate of its run besides its token."""
        return self.api_use_tls and self.api_require_client_cert

    @property
    def image_base(self) -> str:
        """Base URL of the images, as BMCs reach it, without a slash at its end."""
        if self.image_base_url or not self.image_port:
            return self.image_base_url.rstrip("/") or self.api_url
        api = urlsplit(self.api_url)
        host = f"[{api.hostname}]" if ":" in (api.hostname or "") else api.hostname
        return f"{api.scheme}://{host}:{self.image_port}"

    def path_of(self, name: str) -> Path:
        """The file behind a certificate setting: as set, or its place under PKI_DIR."""
        explicit: Path | None = getattr(self, name)
        return explicit or self.pki_dir / _UNDER_PKI_DIR[name]

    def effective(self, name: str) -> object:
        """A setting as it is used: what is derived from others where it was left empty."""
        if name == "callback_api_url":
            return ",".join(self.api_urls)
        if name == "image_base_url":
            return self.image_base
        return self.path_of(name) if name in _UNDER_PKI_DIR else getattr(self, name)


_UNDER_PKI_DIR = {
    "redis_tls_cert": "workers/worker-cert.pem",
    "redis_tls_key": "workers/worker-key.pem",
    "redis_tls_ca": "ca/ca-cert.pem",
    "api_tls_cert": "api/api-cert.pem",
    "api_tls_key": "api/api-key.pem",
    "api_tls_ca": "ca/ca-cert.pem",
    "api_tls_crl": "ca/ca-crl.pem",
    "console_tls_cert": "issued/web/console-cert.pem",
    "console_tls_key": "issued/web/console-key.pem",
    "api_client_cert": "workers/worker-cert.pem",
    "api_client_key": "workers/worker-key.pem",
}


def variables() -> dict[str, FieldInfo]:
    """Every variable that we know, in the order in which people read them."""
    return {name.upper(): field for name, field in Settings.model_fields.items()}


def exposed(paths: Iterable[Path]) -> Iterator[str]:
    """What is wrong with each file, and what to do; nothing about a file that is not there."""
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue  # whether it must be there is another question
        if status.st_mode & _OTHERS:
            yield f"{path}: its mode {status.st_mode & 0o777:04o} gives a secret to other users; run: chmod 600 {path}"
        elif status.st_uid not in {0, os.geteuid()} and not (os.geteuid() == 0 and _is_ours(status.st_uid)):
            yield f"{path}: it belongs to user {status.st_uid}, not to this one; run: chown {os.geteuid()} {path}"


def _is_ours(uid: int) -> bool:
    """Whether root looks at what belongs to a user that runs one of our services."""
    try:
        return re.fullmatch(r"bringup(-[a-z]+)?", pwd.getpwuid(uid).pw_name) is not None
    except KeyError:
        return False


def with_secrets(files: Iterable[tuple[Path, Mapping[str, str]]]) -> list[Path]:
    """Those of the files of settings that set a secret."""
    secret = {name for name, field in variables().items() if "Secret" in str(field.annotation)}
    return [path for path, values in files if any(values.get(name) for name in secret)]


def keys_of(settings: Settings, *, redis: object, api: object, serves: object, page: object) -> list[Path]:
    """The private keys that a service uses.

    Args:
        redis: whether it connects to Redis.
        api: whether it calls the API.
        serves: whether it serves the API or images.
        page: whether it serves the console.
    """
    used = {
        "redis_tls_key": settings.redis_use_tls and redis,
        "api_client_key": settings.api_use_tls and api,
        "api_tls_key": settings.api_use_tls and serves,
        "console_tls_key": settings.api_use_tls and page,
    }
    return list(dict.fromkeys(settings.path_of(name) for name, yes in used.items() if yes))


def pki_rules(settings: Settings) -> Iterator[str]:
    """What the PKI commands need: they make the files that the other rules look for, on a host that may run nothing."""
    if settings.callback_api_url and not all(urlsplit(url).hostname for url in settings.api_urls):
        yield "CALLBACK_API_URL: must be a URL such as https://bringup.example.net:5000, or several with commas between"
    yield from renewal_rules(settings)


def renewal_rules(settings: Settings) -> Iterator[str]:
    """When certificates are renewed, beside how long they are valid."""
    if settings.renew_days >= settings.validity_days:
        yield "RENEW_DAYS: must be smaller than VALIDITY_DAYS, or every certificate is always due"
