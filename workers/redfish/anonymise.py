"""Resources of a BMC without what names a machine, its place or its people; each name becomes the same everywhere.

Serials and host names appear in paths too (an Intel S2600's system id is its serial), so what was found under a
telling key is replaced wherever it stands. Addresses, MACs and UUIDs are recognised by their form.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any

from bringup.identity import serial_key

_KEYS = {
    "serial": re.compile(r"^(.*serial.*|.*assettag|sku|.*servicetag|.*servicecode|nodeid|imei)$", re.IGNORECASE),
    "host": re.compile(r"^(hostname|fqdn|dnsracname|.*domainname|dnsname)$", re.IGNORECASE),
    "user": re.compile(r"^(username|user|.*account.*name|emailaddress|createdby)$", re.IGNORECASE),
    "place": re.compile(r"^(location|rack|row|room|building|postaladdress|contactinfo.*)$", re.IGNORECASE),
    "secret": re.compile(r"^(.*password.*|token|.*secret.*|.*licensekey.*|.*licensestring.*)$", re.IGNORECASE),
}
_MAC = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2}([:-]))(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![0-9A-Fa-f])")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_IPV4 = re.compile(
    r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?![\d.])"
)
_IPV6 = re.compile(r"(?<![0-9A-Fa-f:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![0-9A-Fa-f:])")
# A firmware version can look like an address; under these keys nothing is one.
_VERSION = re.compile(r"(version|revision|release)$", re.IGNORECASE)
_SHORTEST = 4  # "1" and "NA" are no names; replaced everywhere they would garble the rest


class Anonymiser:
    """Replaces what it has seen; `learn` from all resources first."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def learn(self, value: Any, key: str = "") -> None:
        """Take in the names that stand under telling keys."""
        if isinstance(value, Mapping):
            for inner_key, inner in value.items():
                self.learn(inner, str(inner_key))
        elif isinstance(value, list):
            for inner in value:
                self.learn(inner, key)
        elif isinstance(value, str) and _is_name(value) and (kind := _kind(key)):
            self._stand_in(kind, value.strip())

    def clean(self, value: Any, key: str = "") -> Any:
        """The same value with every name replaced."""
        if isinstance(value, Mapping):
            return {self.clean_text(str(k)): self.clean(inner, str(k)) for k, inner in value.items()}
        if isinstance(value, list):
            return [self.clean(inner, key) for inner in value]
        if isinstance(value, str):
            return self.clean_text(value, is_version=bool(_VERSION.search(key)))
        return value

    def clean_text(self, text: str, *, is_version: bool = False) -> str:
        """A text, or a path, with every name replaced."""
        text = _UUID.sub(lambda m: self._stand_in("uuid", m[0].lower()), text)
        text = _MAC.sub(lambda m: self._mac(m[0]), text)
        if not is_version:
            text = _IPV4.sub(lambda m: self._stand_in("ipv4", m[0]), text)
            text = _IPV6.sub(lambda m: self._stand_in("ipv6", m[0]) if _is_ipv6(m[0]) else m[0], text)
        for name in self._longest_first():
            text = text.replace(name, self._names[name])
        return text

    def _longest_first(self) -> Iterable[str]:
        known = [name for name, stand_in in self._names.items() if not _FORMS.fullmatch(stand_in)]
        return sorted(known, key=len, reverse=True)

    def _mac(self, text: str) -> str:
        plain = re.sub("[:-]", "", text).lower()
        if plain in {"0" * 12, "f" * 12}:
            return text
        stand_in = self._stand_in("mac", plain)
        return stand_in.replace(":", text[2])

    def _stand_in(self, kind: str, name: str) -> str:
        if name in self._names:
            return self._names[name]
        number = self._counts[kind] = self._counts.get(kind, 0) + 1
        self._names[name] = _FORM[kind].format(number=number, high=number // 250, low=number % 250 + 1)
        return self._names[name]


# Names that nothing real bears. Source: RFC 5737 (IPv4; a second block follows when one is used up), RFC 3849 (IPv6).
_FORM = {
    "serial": "SERIAL{number:04d}",
    "host": "host{number}.example",
    "user": "user{number}",
    "place": "place{number}",
    "secret": "secret{number}",
    "uuid": "00000000-0000-4000-8000-{number:012d}",
    "mac": "02:00:00:00:{high:02x}:{low:02x}",
    "ipv4": "198.18.{high}.{low}",
    "ipv6": "2001:db8::{number:x}",
}
_FORMS = re.compile(r"00000000-0000-4000-8000-\d{12}|02:00:00:00:..:..|198\.18\.\d+\.\d+|2001:db8::[0-9a-f]+")


def _is_name(text: str) -> bool:
    return len(text.strip()) >= _SHORTEST and serial_key(text) is not None


def _kind(key: str) -> str | None:
    last = key.rpartition(".")[2]  # Dell's attributes are called Users.2.UserName
    return next((kind for kind, pattern in _KEYS.items() if pattern.match(last)), None)


def _is_ipv6(text: str) -> bool:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback)
