"""Variables that are almost ours: a security switch that is silently ignored is the worst bug we can have."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

_OURS = re.compile(r"^_*(REDIS|API|CALLBACK|PKI|CA|DHCP|DEVICES?|BRINGUP)(_|$)", re.IGNORECASE)
_SECURITY = re.compile(r"(TLS|SSL|CERT|CRT|CRL|TOKEN|PASS)", re.IGNORECASE)
_CLOSE = 0.85


def misspelt(names: Iterable[str], known: Iterable[str], *, own_file: bool) -> dict[str, str]:
    """The names that must be ours but are not, each with the known name nearest to it.

    Args:
        own_file: the names stand in our ``.env``, where every name with our prefixes must be known. In the
            process environment other software has names too (Kubernetes sets ``REDIS_SERVICE_HOST``), so
            there only names that are close to ours, or that speak of security, count.
    """
    known = tuple(known)
    folded = {_fold(name) for name in known}
    found = {}
    for name in names:
        if _fold(name) in folded and name.upper() in known:
            continue
        nearest, closeness = _nearest(name, known)
        ours = bool(_OURS.match(name))
        if closeness >= _CLOSE or (ours and (own_file or _SECURITY.search(name))):
            found[name] = nearest
    return found


def _fold(name: str) -> str:
    return name.upper().replace("_", "").replace("-", "")


def _nearest(name: str, known: Iterable[str]) -> tuple[str, float]:
    target = name.upper().replace("SSL", "TLS")
    return max(((other, _closeness(target, other)) for other in known), key=lambda pair: pair[1])


def _closeness(name: str, other: str) -> float:
    """1 is the same. ``REDIS_TLS`` means the switch ``REDIS_USE_TLS``, not a file beside it."""
    if {*name.split("_"), "USE"} == set(other.split("_")):
        return 1.0
    return SequenceMatcher(None, name, other, autojunk=False).ratio()
