"""Which run this machine serves: the area of the image that the API has filled."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from agent.text import printable

PATH = "etc/bringup/run.json"
_RUN_ID = re.compile(r"([0-9a-f]{2}-){6}[0-9]{1,12}")
_URL = re.compile(r"https?://[^/@\s]+(/[^\s?#]*)?")
_REQUIRED: dict[str, tuple[type, ...]] = {"run_id": (str,), "callback_url": (str,), "token": (str,), "epoch": (int,)}
_OPTIONAL: dict[str, tuple[type, ...]] = {
    "version": (int,),
    "ca_pem": (str, type(None)),
    "client_cert_pem": (str, type(None)),
    "client_key_pem": (str, type(None)),
    "after": (str,),
    "lldp_wait_s": (int, float),
}


class BadParameters(Exception):
    """This image cannot serve a run; the text says why and what to do."""


class Parameters(NamedTuple):
    """One run, as `bringup.wire.machine.RunParameters` has it."""

    run_id: str
    callback_url: str
    token: str
    epoch: int  # seconds; the clock is never set to before this
    version: int = 1
    ca_pem: str | None = None
    client_cert_pem: str | None = None
    client_key_pem: str | None = None
    after: str = "wait"
    lldp_wait_s: float = 35

    def __repr__(self) -> str:
        """Without its secrets."""
        return f"Parameters(run_id={self.run_id!r}, callback_url={self.callback_url!r})"


def read(root: Path) -> Parameters:
    """The parameters of this image's run.

    Raises:
        BadParameters: there are none, or they do not make a run.
    """
    path = root / PATH
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadParameters(f"/{PATH} cannot be read ({error.strerror}): build the image again") from None
    if raw.startswith(b"#"):
        raise BadParameters(
            "this image carries no run: it is the base image. Let the machine boot what the API serves for its run"
        )
    return parse(raw)


def parse(raw: bytes) -> Parameters:
    """The parameters in ``raw``. Raises BadParameters, which names what is wrong and shows no value of it."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadParameters(f"/{PATH} is not JSON: the image was damaged on its way, or badly patched") from None
    if not isinstance(found, dict):
        raise BadParameters(f"/{PATH} is not a JSON object")
    problems = _problems(found)
    if problems:
        raise BadParameters(f"/{PATH} makes no run: {'; '.join(problems)}")
    return Parameters(**found)


def _problems(found: dict[str, Any]) -> list[str]:
    known = _REQUIRED | _OPTIONAL
    return [
        *(f"{name} is missing" for name in _REQUIRED if name not in found),
        *(
            f"{printable(name)[:40]} is not known: the API is newer than this image, build the image again"
            for name in found
            if name not in known
        ),
        *(f"{name} is of a wrong kind" for name in known if name in found and not _is(found[name], known[name])),
    ] or _bad_values(Parameters(**found))


def _is(value: object, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _bad_values(given: Parameters) -> list[str]:
    https = given.callback_url.startswith("https://")
    rules = {
        f"version is {given.version}, and this agent knows 1": given.version == 1,
        "epoch is no time that a clock can be set to": 0 <= given.epoch < 2**33,
        "run_id is none": _RUN_ID.fullmatch(given.run_id),
        "callback_url must be http://HOST... or https://HOST...": _URL.fullmatch(given.callback_url),
        "callback_url is https, and there is no ca_pem to check its certificate with": given.ca_pem or not https,
        "token must be printable ASCII": given.token and given.token.isascii() and given.token.isprintable(),
        "client_cert_pem and client_key_pem go together": bool(given.client_cert_pem) == bool(given.client_key_pem),
        "after must be poweroff or wait": given.after in ("poweroff", "wait"),
        "lldp_wait_s must be between 0 and 600": 0 <= given.lldp_wait_s <= 600,
    }
    return [problem for problem, fine in rules.items() if not fine]
