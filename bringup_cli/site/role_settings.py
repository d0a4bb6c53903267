"""The settings of one service on one host: those of the site that it uses, its own files, its own secrets."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from bringup.redis_acl import RIGHTS
from bringup.settings import Settings, generated, schema
from bringup.settings.types import urls_in
from bringup.wire.machine import IMAGE_FILE
from bringup_cli.site.bundle import FOLDER, files_of
from bringup_cli.site.registry import Host, HostRole, redis_user
from pki.names import Identity, Role

_TAILER = HostRole.TAILER
_ALL = frozenset(HostRole)
_API = frozenset({HostRole.API, HostRole.IMAGES})
# Settings, by the beginning of their names, that not every service uses; nobody else is given them.
_USED_BY: Mapping[str, frozenset[HostRole]] = {
    "validity_": frozenset(),  # the CA's alone
    "ca_": frozenset(),
    "crl_": frozenset(),
    "renew_": frozenset(),
    "host_roles": frozenset(),  # written below
    "dhcp_": frozenset({_TAILER}),
    "worker_": frozenset({HostRole.WORKER}),
    "power_off_": frozenset({HostRole.WORKER}),
    "bmc_": frozenset({HostRole.WORKER}),
    "image_": _API,
    "callback_api_host": _API,
    "callback_api_port": _API,
    "run_certificate_command": frozenset({HostRole.API}),
    "console_": frozenset({HostRole.CONSOLE}),
    "redis_appendfsync": frozenset({HostRole.REDIS}),
    "redis_username": frozenset(),  # each host has its own
}
_WITH_TOKEN = frozenset({HostRole.API, HostRole.WORKER, HostRole.CONSOLE})
# Where a host keeps what its services write, and what people put there.
_FOLDERS = {
    HostRole.API: ("STATE_DIR", "DEVICES_FILE", "OPERATORS_FILE"),
    HostRole.IMAGES: ("STATE_DIR",),
    HostRole.WORKER: ("STATE_DIR", "BMC_CREDENTIALS_DIR"),
    _TAILER: ("STATE_DIR", "DEVICES_FILE"),
    HostRole.CONSOLE: (),
    HostRole.REDIS: (),
}
_NAMES = {
    "STATE_DIR": f"{FOLDER}/var",
    "DEVICES_FILE": f"{FOLDER}/devices.toml",
    "OPERATORS_FILE": f"{FOLDER}/operators.toml",
    "BMC_CREDENTIALS_DIR": f"{FOLDER}/credentials",
}

_IMAGE = f"{FOLDER}/{IMAGE_FILE}"  # a person puts it there: it is half a gigabyte


def problems_elsewhere(settings: Settings, roles: Iterable[HostRole]) -> Iterator[str]:
    """What is wrong with the settings of the CA's host for a service on another host.

    Args:
        settings: of the site.
        roles: what the other host runs.
    """
    for name in ("redis_use_tls", "api_use_tls"):  # certificates are what a host is known by
        if not getattr(settings, name):
            yield f"{name.upper()}: must be true for a site of several hosts"
    if not settings.callback_api_url:
        yield (
            "CALLBACK_API_URL: must be set to the URL by which every host reaches the API, such as "
            f"https://api.example.net:{settings.callback_api_port}; without it hosts would use {settings.api_url}"
        )
    addresses = [("CALLBACK_API_URL", urlsplit(url).hostname) for url in urls_in(settings.callback_api_url)]
    for name, address in (*addresses, ("REDIS_HOST", settings.redis_host)):
        if settings.environment == "production" and address and _is_of_each_host(address):
            yield f"{name}: {address} is every host itself; set the address by which all reach the one that is meant"
    if _TAILER in roles and not settings.dhcp_path.is_absolute():
        yield f"DHCP_PATH: {settings.dhcp_path} must be an absolute path, for it is a file on the host of the tailer"


def role_settings(settings: Settings, host: Host, role: HostRole) -> bytes:
    """The text of ROLE.env.

    Args:
        settings: of the site, as the CA's host has them.
        host: who gets it.
        role: which of its services reads it.
    """
    lines = {
        **_of_site(settings, role),
        "HOST_ROLES": role.value,
        "CALLBACK_API_URL": ",".join(settings.api_urls),
        **(_listening(settings, host) if role in _API else {}),
        "PKI_DIR": f"{FOLDER}/pki",
        **{name: _NAMES[name] for name in _FOLDERS[role]},
        **({"DHCP_SOURCE": settings.dhcp_source, "DHCP_PATH": str(settings.dhcp_path)} if role is _TAILER else {}),
        **({"VALIDATION_IMAGE": _IMAGE} if _serves_image(settings, role) else {}),
        **dict(_certificates(host, role)),
        **_secrets(settings, host, role),
    }
    head = f"# Settings of the {role} on {host.name}, by `bringup site enroll`. Holds secrets: mode 0600.\n"
    return (head + "".join(f"{name}={value}\n" for name, value in lines.items())).encode()


def _of_site(settings: Settings, role: HostRole) -> dict[str, str]:
    """What differs from the default, and is neither a secret nor a path of the CA's host."""
    found = {}
    for name, field in schema.variables().items():
        value = getattr(settings, name.lower())
        kinds = str(field.annotation)
        if "Path" in kinds or "Secret" in kinds or role not in _users_of(name.lower()):
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if value is not None and text != generated.default_text(field):
            found[name] = text
    return found


def _listening(settings: Settings, host: Host) -> dict[str, str]:
    """Of several API hosts each listens on its own address, by which it knows which of the URLs is its own."""
    addresses = [urlsplit(url).hostname for url in settings.api_urls]
    own = next((san for san in host.sans if san in addresses), None)
    return {"CALLBACK_API_HOST": own} if own and len(addresses) > 1 else {}


def _is_of_each_host(address: str) -> bool:
    """Whether an address means the host that uses it."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address == "localhost"
    return found.is_loopback or found.is_unspecified


def _serves_image(settings: Settings, role: HostRole) -> bool:
    return role is HostRole.IMAGES or (role is HostRole.API and settings.validation_image is not None)


def _users_of(name: str) -> frozenset[HostRole]:
    return next((roles for start, roles in _USED_BY.items() if name.startswith(start)), _ALL)


def _certificates(host: Host, role: HostRole) -> Iterator[tuple[str, str]]:
    """Where its files are, where that is not the place that a setting has by itself."""
    client = Identity(Role(role), host.name) if role not in {HostRole.API, HostRole.IMAGES, HostRole.REDIS} else None
    own = files_of(client or Identity(Role.HOST, host.name))
    if role is not HostRole.WORKER:
        for prefix in ("REDIS_TLS", "API_CLIENT"):
            yield f"{prefix}_CERT", f"{FOLDER}/{own.certificate}"
            yield f"{prefix}_KEY", f"{FOLDER}/{own.key}"
    if role is HostRole.CONSOLE:
        shown = files_of(Identity(Role.WEB, host.name))
        yield "CONSOLE_TLS_CERT", f"{FOLDER}/{shown.certificate}"
        yield "CONSOLE_TLS_KEY", f"{FOLDER}/{shown.key}"
    if role is HostRole.IMAGES:
        served = files_of(Identity(Role.IMAGES, host.name))
        yield "API_TLS_CERT", f"{FOLDER}/{served.certificate}"
        yield "API_TLS_KEY", f"{FOLDER}/{served.key}"


def _secrets(settings: Settings, host: Host, role: HostRole) -> dict[str, str]:
    found: dict[str, str] = {}
    if role in RIGHTS:
        found |= {"REDIS_USERNAME": redis_user(role, host.name), "REDIS_PASSWORD": host.passwords[role]}
        if settings.redis_sentinel_password and settings.redis_sentinels:
            found["REDIS_SENTINEL_PASSWORD"] = settings.redis_sentinel_password.get_secret_value()
    if role in _WITH_TOKEN and settings.api_token:
        found["API_TOKEN"] = settings.api_token.get_secret_value()
    if role is HostRole.CONSOLE and settings.console_token:
        found["CONSOLE_TOKEN"] = settings.console_token.get_secret_value()
    return found
