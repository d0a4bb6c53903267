"""One resource of a BMC, read tolerantly: of what the schema promises, nothing is certain to be there.

sushy's resource classes end in an error where a required property is missing, and drop values that they do not
know. Firmware does both, so resources are read here, and sushy carries the requests.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


def local_path(link: object) -> str | None:
    """The path of a link on this BMC, whatever host it names; None when it is no link.

    Source: DSP0266 s.8.2 (resource identifiers); a link is an object with ``@odata.id``, and with some a string.
    """
    target = link.get("@odata.id") if isinstance(link, Mapping) else link
    if not isinstance(target, str) or not target:
        return None
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    if not parts.path:
        return None
    return "/" + parts.path.lstrip("/") + (f"?{parts.query}" if parts.query else "")


@dataclass(frozen=True)
class Action:
    """Something that a resource can do.

    Args:
        target: where it is posted to.
        body: as the resource describes it, with the allowable values of its parameters.
    """

    target: str
    body: Mapping[str, Any] = field(default_factory=dict)

    def allowable(self, parameter: str) -> tuple[str, ...]:
        """The values that the resource itself lists for a parameter; () when it lists none."""
        return _texts(self.body.get(f"{parameter}@Redfish.AllowableValues"))

    @property
    def info_path(self) -> str | None:
        """Where its parameters are described. Source: DSP0266 s.7.9.1 (ActionInfo)."""
        return local_path(self.body.get("@Redfish.ActionInfo"))


@dataclass(frozen=True)
class Resource:
    """What a GET returned.

    Args:
        path: that it was asked for under.
        body: {} when the BMC sent something else than a JSON object.
        etag: for If-Match; of the header, else of the body.
    """

    path: str
    body: Mapping[str, Any]
    etag: str | None = None

    def value(self, *keys: str) -> Any:
        """What lies under these keys; None when any of them is missing."""
        found: Any = self.body
        for key in keys:
            if not isinstance(found, Mapping):
                return None
            found = found.get(key)
        return found

    def text(self, *keys: str) -> str:
        """A text or a number, as text; "" when there is none."""
        found = self.value(*keys)
        if isinstance(found, bool) or not isinstance(found, str | int | float):
            return ""
        return str(found).strip()

    def flag(self, *keys: str) -> bool | None:
        """True or false, also where it is written as text; None when it is neither."""
        found = self.value(*keys)
        if isinstance(found, bool):
            return found
        return {"true": True, "false": False}.get(str(found).strip().lower())

    def texts(self, *keys: str) -> tuple[str, ...]:
        """A list of texts; one text alone counts as a list of one."""
        return _texts(self.value(*keys))

    def link(self, *keys: str) -> str | None:
        """The path that a link leads to."""
        return local_path(self.value(*keys))

    def links(self, *keys: str) -> tuple[str, ...]:
        """The paths that a list of links leads to, each once."""
        found = self.value(*keys)
        listed = found if isinstance(found, list) else [found]
        return tuple(dict.fromkeys(path for path in map(local_path, listed) if path))

    def action(self, name: str) -> Action | None:
        """The action with this name, standard or OEM; a leading ``#`` and a namespace of the vendor's do not count."""
        for key, body in self._actions():
            target = local_path(body.get("target"))
            if target and key.lstrip("#").casefold().endswith(name.casefold()):
                return Action(target, body)
        return None

    def _actions(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for group in (self.value("Actions"), self.value("Actions", "Oem"), *self._oem_actions()):
            if isinstance(group, Mapping):
                yield from ((str(key), body) for key, body in group.items() if isinstance(body, Mapping))

    def _oem_actions(self) -> Iterator[Any]:
        for vendor in (self.value("Oem") or {}).values() if isinstance(self.value("Oem"), Mapping) else ():
            if isinstance(vendor, Mapping):
                yield vendor.get("Actions")
                yield vendor


def _texts(found: object) -> tuple[str, ...]:
    listed = found if isinstance(found, list) else [found]
    return tuple(str(word) for word in listed if isinstance(word, str | int | float) and word != "")
