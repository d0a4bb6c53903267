"""The types of settings whose text has rules of its own."""

from ipaddress import ip_network
from typing import Annotated

import re2
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

_HIGHEST_PORT = 65535  # 16 bits: RFC 9293 s.3.1
_SWITCH = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


def parse_switch(text: object) -> bool:
    """True or false, and nothing that merely looks like one. Raises ValueError."""
    if isinstance(text, bool):
        return text
    value = _SWITCH.get(text.strip().lower()) if isinstance(text, str) else None
    if value is None:
        raise ValueError("must be one of true, false, 1, 0, yes, no, on, off")
    return value


def parse_secret(text: object) -> object:
    """A secret, never trimmed silently. Raises ValueError."""
    if isinstance(text, str) and any(ord(c) < 0x20 or ord(c) == 0x7F for c in text):
        raise ValueError("must not hold control characters or line breaks")
    if isinstance(text, str) and text != text.strip():
        raise ValueError("must not begin or end with spaces")
    return text


def checked_networks(text: str) -> str:
    """Networks with commas between them. Raises ValueError."""
    for network in filter(None, text.split(",")):
        try:
            ip_network(network.strip())
        except ValueError:
            raise ValueError(
                "must be networks such as 10.77.0.0/16,fd00:77::/64, without bits behind the mask"
            ) from None
    return text


Address = tuple[str, int]


def addresses_in(text: str) -> tuple[Address, ...]:
    """The hosts and ports of ``host:port,[v6]:port``. Raises ValueError."""
    return tuple(_address(part.strip()) for part in text.split(",") if part.strip())


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not bare or (":" in bare) != (bare != host) or not port.isdecimal() or not 1 <= int(port) <= _HIGHEST_PORT:
        raise ValueError("must be hosts with their ports, as r1.example.net:26379,192.0.2.7:26379,[fd00::7]:26379")
    return bare, int(port)


def urls_in(text: str) -> tuple[str, ...]:
    """The URLs of ``http://a:1,http://b:1``, each without a slash at its end."""
    return tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())


def checked_addresses(text: str) -> str:
    """Hosts and ports with commas between them, each once. Raises ValueError."""
    addresses = addresses_in(text)
    if len(set(addresses)) < len(addresses):
        raise ValueError("must name each host and port once")
    return text


def checked_pattern(text: str) -> str:
    """A regular expression that matches in linear time, whatever a device writes. Raises ValueError."""
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(text, options)
    except re2.error:
        raise ValueError("must be a regular expression as RE2 knows them: no look-around, no references back") from None
    return text


# What runs on a host; ca: nothing but the CA, and `bringup site`.
ROLES = ("redis", "api", "images", "worker", "tailer", "console", "ca")


def checked_roles(text: str) -> str:
    """Roles of a host with commas between them. Raises ValueError."""
    roles = [role.strip() for role in text.split(",") if role.strip()]
    if not set(roles) <= set(ROLES):
        raise ValueError(f"must be some of {', '.join(ROLES)}, with commas between them")
    return ",".join(roles)


Switch = Annotated[bool, BeforeValidator(parse_switch)]
Secret = Annotated[SecretStr, BeforeValidator(parse_secret)]
Port = Annotated[int, Field(ge=1, le=_HIGHEST_PORT)]
Seconds = Annotated[int, Field(ge=1, le=30 * 24 * 3600)]
Addresses = Annotated[str, AfterValidator(checked_addresses)]
Networks = Annotated[str, AfterValidator(checked_networks)]
Roles = Annotated[str, AfterValidator(checked_roles)]
Pattern = Annotated[str, Field(max_length=1000), AfterValidator(checked_pattern)]
