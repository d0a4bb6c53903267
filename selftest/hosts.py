"""The names and addresses by which clients reach Redis and the API: their certificates must contain them."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from bringup.settings import Settings
from pki.errors import InvalidInput
from pki.names import Role, San, parse_san, unique

# Addresses to listen on, which no client can connect to: RFC 1122 s.3.2.1.3, RFC 4291 s.2.5.2.
_EVERYWHERE = {"0.0.0.0", "::", "*"}  # noqa: S104 - compared with, never listened on


def configured_hosts(settings: Settings) -> dict[Role, dict[str, list[str]]]:
    """For each server its hosts, by the setting that names them; an address that means "every one" is none."""
    url = "CALLBACK_API_URL" if settings.callback_api_url else "CALLBACK_API_HOST"
    named = {
        # A sentinel runs beside each Redis, and shows its certificate.
        Role.REDIS: {"REDIS_HOST": [settings.redis_host], "REDIS_SENTINELS": [host for host, _ in settings.sentinels]},
        Role.API: {url: [urlsplit(one).hostname or "" for one in settings.api_urls]},
    }
    return {
        role: {source: [host for host in hosts if host not in _EVERYWHERE] for source, hosts in sources.items()}
        for role, sources in named.items()
    }


def hosts_of(settings: Settings) -> dict[Role, tuple[San, ...]]:
    """The hosts of each server as its certificate must name them.

    With Sentinel there are several Redis hosts, each with a certificate of its own: none of them is required. Of
    several API hosts the one that `Settings.api_url` names is.

    Raises:
        InvalidInput: a certificate cannot contain one of them.
    """
    required = configured_hosts(settings)
    if settings.sentinels:
        del required[Role.REDIS]
    if len(settings.api_urls) > 1:
        required[Role.API] = {source: hosts[:1] for source, hosts in required[Role.API].items()}
    return {role: sans_from(sources, single_label=True) for role, sources in required.items()}


def roles_of(settings: Settings) -> frozenset[Role]:
    """The roles whose certificates this host must have; none: it is the CA's, or everything runs here."""
    return frozenset(map(Role, settings.roles - {"ca"}))


def sans_from(texts: Mapping[str, list[str]], *, single_label: bool) -> tuple[San, ...]:
    """Names and addresses as a certificate has them, each once.

    Args:
        texts: the names, by the setting or option that gave them.
        single_label: whether a name without a dot is allowed.

    Raises:
        InvalidInput: one is no name and no address; the message names the setting or option.
    """
    return unique(_san(text, source, single_label=single_label) for source, names in texts.items() for text in names)


def _san(text: str, source: str, *, single_label: bool) -> San:
    try:
        return parse_san(text, single_label=single_label)
    except InvalidInput as error:
        raise InvalidInput(f"{source}: {error}", hint=error.hint) from None
