"""Under which names and addresses Redis and the API are connected to, as their certificates must have them."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from bringup.settings import Settings
from pki.errors import InvalidInput
from pki.names import Role, San, parse_san, unique

_EVERYWHERE = {"0.0.0.0", "::", "*"}  # noqa: S104 - compared with, never listened on


def configured_hosts(settings: Settings) -> dict[Role, tuple[str, str]]:
    """For each server the setting that names it, and the host; an address that means "every one" is none."""
    url = "CALLBACK_API_URL" if settings.callback_api_url else "CALLBACK_API_HOST"
    found = {
        Role.REDIS: ("REDIS_HOST", settings.redis_host),
        Role.API: (url, urlsplit(settings.api_url).hostname or ""),
    }
    return {role: pair for role, pair in found.items() if pair[1] not in _EVERYWHERE}


def hosts_of(settings: Settings) -> dict[Role, tuple[San, ...]]:
    """The same, as they stand in a certificate.

    Raises:
        InvalidInput: one of them can stand in no certificate.
    """
    return {
        role: sans_from({source: [host]}, single_label=True)
        for role, (source, host) in configured_hosts(settings).items()
    }


def sans_from(texts: Mapping[str, list[str]], *, single_label: bool) -> tuple[San, ...]:
    """Names and addresses, each once, by where they were given. Raises InvalidInput, naming that."""
    return unique(_san(text, source, single_label=single_label) for source, names in texts.items() for text in names)


def _san(text: str, source: str, *, single_label: bool) -> San:
    try:
        return parse_san(text, single_label=single_label)
    except InvalidInput as error:
        raise InvalidInput(f"{source}: {error}", mend=error.mend) from None
