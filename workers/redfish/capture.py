"""A BMC's resources as a folder that a simulated BMC can replay: a mockup, without what identifies the machine.

The folder has the form of DMTF's mockups: one ``index.json`` per resource, under its path. Source: DSP2043.

What identifies a machine, its place or its people becomes the same made-up name everywhere. Serials and host names
appear in paths too (an Intel S2600's system id is its serial), so what was found under a revealing key is replaced
wherever it appears. Addresses, MACs and UUIDs are recognised by their form.
"""

import ipaddress
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sushy.exceptions import SushyError

from bringup import errors, identity
from workers.redfish.connection import RedfishConnection
from workers.redfish.resource import local_path

# The service root of every BMC, and the file of each resource in a mockup. Source: DSP0266, DSP2043.
ROOT = "/redfish/v1"
_FILE = "index.json"
# Resources that are read: the largest public mockups, of machines with eight GPUs, have some 3,000.
_MAX_RESOURCES = 4000
# What is long and irrelevant for booting, and everything that holds people or keys.
_LEFT_OUT = (
    "/accountservice",
    "/certificateservice",
    "/certificates",
    "/entries",
    "/eventservice/subscriptions",
    "/jsonschemas",
    "/keyservice",
    "/licenseservice",
    "/registries",
    "/sessionservice/sessions",
    "/telemetryservice",
    "/dumps",
)
# Keys whose values identify a machine, its place or its people.
_KEYS = {
    "serial": re.compile(r"^(.*serial.*|.*assettag|sku|.*servicetag|.*servicecode|nodeid|imei)$", re.IGNORECASE),
    "host": re.compile(r"^(hostname|fqdn|dnsracname|.*domainname|dnsname)$", re.IGNORECASE),
    "user": re.compile(r"^(username|user|.*account.*name|emailaddress|createdby)$", re.IGNORECASE),
    "place": re.compile(r"^(location|rack|row|room|building|postaladdress|contactinfo.*)$", re.IGNORECASE),
    "secret": re.compile(r"^(.*password.*|token|.*secret.*|.*licensekey.*|.*licensestring.*)$", re.IGNORECASE),
}
# What is recognised by its form, under any key.
_MAC = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2}([:-]))(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![0-9A-Fa-f])")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_IPV4 = re.compile(
    r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?![\d.])"
)
_IPV6 = re.compile(r"(?<![0-9A-Fa-f:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![0-9A-Fa-f:])")
# A firmware version can look like an address; values under these keys are none.
_VERSION = re.compile(r"(version|revision|release)$", re.IGNORECASE)
# Characters of the shortest name: "1" and "NA" are none; replaced everywhere they would garble the rest.
_SHORTEST = 4
# Names that no real machine has. Source: RFC 5737 (IPv4; a second block follows when one is used up), RFC 3849 (IPv6).
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
# The same as they come out: what is replaced once is not replaced again.
_FORMS = re.compile(r"00000000-0000-4000-8000-\d{12}|02:00:00:00:..:..|198\.18\.\d+\.\d+|2001:db8::[0-9a-f]+")


def read_all(connection: RedfishConnection) -> dict[str, Any]:
    """Every resource that links lead to, by path; those that cannot be read are left out."""
    found: dict[str, Any] = {}
    # Breadth first, so that a bound that is reached cuts the details, and not a whole part of the machine.
    waiting, seen = deque([f"{ROOT}/"]), {ROOT}
    while waiting and len(found) < _MAX_RESOURCES:
        path = waiting.popleft()
        try:
            body = _whole(connection, path)
        except (SushyError, ValueError):
            continue
        found[path.rstrip("/")] = body
        for link in _links(body):
            plain = link.partition("#")[0].partition("?")[0].rstrip("/")
            if plain not in seen and _is_wanted(plain):
                seen.add(plain)
                waiting.append(link)
    return found


def anonymised(resources: Mapping[str, Any]) -> dict[str, Any]:
    """The same resources, with the same names everywhere, and none of them real."""
    names = Anonymiser()
    names.learn(list(resources.values()))
    return {names.clean_text(path): names.clean(body) for path, body in resources.items()}


def write_mockup(resources: Mapping[str, Any], folder: Path) -> None:
    """Write them below ``folder``. Raises BmcRejected: it exists and is not empty."""
    if folder.exists() and any(folder.iterdir()):
        raise errors.BmcRejected(f"{folder} is not empty: name a new folder for the capture", reason="aborted")
    for path, body in resources.items():
        place = folder.joinpath(*path.strip("/").split("/"))
        place.mkdir(parents=True, exist_ok=True)
        text = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
        # Half a character of UTF-16, as JSON may have it, is no text: its escape is the same JSON.
        (place / _FILE).write_text(text, encoding="utf-8", errors="backslashreplace")


def _whole(connection: RedfishConnection, path: str) -> dict[str, Any]:
    """A resource; a collection with the members of all its pages."""
    body = dict(connection.get(path).body)
    if body.pop("Members@odata.nextLink", None):
        body["Members"] = [{"@odata.id": member} for member in connection.member_paths(path)]
    return body


def _links(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in {"@odata.id", "@Redfish.ActionInfo"}:
                if path := local_path(inner):
                    yield path
            else:
                yield from _links(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _links(inner)


def _is_wanted(path: str) -> bool:
    """A path becomes a folder's name: nothing in it may lead elsewhere."""
    parts = path.split("/")[1:]
    is_plain = all(
        part and part not in {".", "..", _FILE} and "\\" not in part and part.isprintable() for part in parts
    )
    is_short = len(path) < 1000 and all(len(part.encode(errors="replace")) < 200 for part in parts)
    return is_plain and is_short and path.startswith(f"{ROOT}/") and not any(w in path.casefold() for w in _LEFT_OUT)


class Anonymiser:
    """Replaces what it has seen; `learn` from all resources first."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def learn(self, value: Any, key: str = "") -> None:
        """Remember the names under revealing keys."""
        if isinstance(value, Mapping):
            for inner_key, inner in value.items():
                self.learn(inner, str(inner_key))
        elif isinstance(value, list):
            for inner in value:
                self.learn(inner, key)
        elif isinstance(value, str) and _is_name(value) and (kind := _kind(key)):
            self._replacement(kind, value.strip())

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
        text = _UUID.sub(lambda m: self._replacement("uuid", m[0].lower()), text)
        text = _MAC.sub(lambda m: self._mac(m[0]), text)
        if not is_version:
            text = _IPV4.sub(lambda m: self._replacement("ipv4", m[0]), text)
            text = _IPV6.sub(lambda m: self._replacement("ipv6", m[0]) if _is_ipv6(m[0]) else m[0], text)
        for name in self._longest_first():
            text = text.replace(name, self._names[name])
        return text

    def _longest_first(self) -> Iterable[str]:
        known = [name for name, replacement in self._names.items() if not _FORMS.fullmatch(replacement)]
        return sorted(known, key=len, reverse=True)

    def _mac(self, text: str) -> str:
        plain = re.sub("[:-]", "", text).lower()
        if plain in {"0" * 12, "f" * 12}:
            return text
        replacement = self._replacement("mac", plain)
        return replacement.replace(":", text[2])

    def _replacement(self, kind: str, name: str) -> str:
        if name in self._names:
            return self._names[name]
        number = self._counts[kind] = self._counts.get(kind, 0) + 1
        self._names[name] = _FORM[kind].format(number=number, high=number // 250, low=number % 250 + 1)
        return self._names[name]


def _is_name(text: str) -> bool:
    return len(text.strip()) >= _SHORTEST and identity.serial_key(text) is not None


def _kind(key: str) -> str | None:
    last = key.rpartition(".")[2]  # Dell's attributes are called Users.2.UserName
    return next((kind for kind, pattern in _KEYS.items() if pattern.match(last)), None)


def _is_ipv6(text: str) -> bool:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback)
