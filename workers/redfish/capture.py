"""A BMC's resources as a folder that a simulated BMC can replay: a mockup, without what names the machine.

The folder has the form of DMTF's mockups: one ``index.json`` per resource, under its path. Source: DSP2043.
"""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sushy.exceptions import SushyError

from bringup.errors import BmcRejected
from workers.redfish.anonymise import Anonymiser
from workers.redfish.connection import RedfishConnection
from workers.redfish.resource import local_path

ROOT = "/redfish/v1"
_FILE = "index.json"
_MOST_RESOURCES = 4000  # the largest public mockups, of machines with eight GPUs, have some 3,000
# What is long and says nothing about booting, and whatever holds people or keys.
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


def read_all(connection: RedfishConnection) -> dict[str, Any]:
    """Every resource that links lead to, by path; those that cannot be read are left out."""
    found: dict[str, Any] = {}
    waiting, seen = deque([f"{ROOT}/"]), {ROOT}
    while waiting and len(found) < _MOST_RESOURCES:
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
    """Write them below ``folder``. Raises BmcRejected: it is there already, with something in it."""
    if folder.exists() and any(folder.iterdir()):
        raise BmcRejected(f"{folder} is not empty: name a new folder for the capture", reason="aborted")
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
