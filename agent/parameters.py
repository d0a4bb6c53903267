"""Which run this machine serves: the area of the image that the API has filled."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agent.text import printable

PATH = "etc/bringup/run.json"
_RUN_ID = re.compile(r"([0-9a-f]{2}-){6}[0-9]{1,12}")
_URL = re.compile(r"https?://[^/@\s]+(/[^\s?#]*)?")
_REQUIRED: dict[str, tuple[type, ...]] = {"run_id": (str,), "callback_url": (str,), "token": (str,), "epoch": (int,)}
_OPTIONAL: dict[str, tuple[type, ...]] = {
    "version": (int,),
    "other_callback_urls": (list,),
    "ca_pem": (str, type(None)),
    "client_cert_pem": (str, type(None)),
    "client_key_pem": (str, type(None)),
    "after": (str,),
    "lldp_wait_s": (int, float),
}


class BadParameters(Exception):
    """This image cannot serve a run; the text is the reason and what to do."""


class Parameters(NamedTuple):
    """One run, as `bringup.wire.machine.RunParameters` has it.

    Args:
        run_id: MAC and lease start.
        callback_url: of the API, up to its version: ``https://HOST:PORT/api/v1``.
        token: the run's own; a secret.
        epoch: seconds since 1970 when the image was made for the run: no right clock is before it.
        version: of these parameters.
        ca_pem: the CA that signs the API's certificate; None with plain http only.
        client_cert_pem: the run's certificate, where the API asks machines for one.
        client_key_pem: its key; a secret.
        after: ``poweroff`` or ``wait``: what to do once the run is over.
        lldp_wait_s: seconds that LLDP announcements are waited for; switches send one every 30 s.
        other_callback_urls: of the other API hosts.
    """

    run_id: str
    callback_url: str
    token: str
    epoch: int
    version: int = 1
    ca_pem: str | None = None
    client_cert_pem: str | None = None
    client_key_pem: str | None = None
    after: str = "wait"
    lldp_wait_s: float = 35
    other_callback_urls: Sequence[str] = ()

    @property
    def callback_urls(self) -> list[str]:
        """Every address of the API, the preferred one first."""
        return [self.callback_url, *self.other_callback_urls]

    @property
    def uses_tls(self) -> bool:
        """Whether the API is called by HTTPS: at all its addresses, or at none."""
        return self.callback_url.startswith("https://")

    def __repr__(self) -> str:
        """Without its secrets."""
        return f"Parameters(run_id={self.run_id!r}, callback_url={self.callback_url!r})"


def read_parameters(root: Path) -> Parameters:
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
    """The parameters in ``raw``.

    Raises:
        BadParameters: names what is wrong, and shows no value: some are secrets.
    """
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


def _bad_values(params: Parameters) -> list[str]:
    rules = {
        f"version is {params.version}, and this agent knows 1": params.version == 1,
        "epoch is no time that a clock can be set to": 0 <= params.epoch < 2**33,
        "run_id is none": _RUN_ID.fullmatch(params.run_id),
        "callback_url must be http://HOST... or https://HOST...": _URL.fullmatch(params.callback_url),
        "other_callback_urls must be URLs of the same kind as callback_url": all(
            _URL.fullmatch(url) and url.startswith("https://") is params.uses_tls
            for url in map(str, params.other_callback_urls)
        ),
        "callback_url is https, and there is no ca_pem to check its certificate with": params.ca_pem
        or not params.uses_tls,
        "token must be printable ASCII": params.token and params.token.isascii() and params.token.isprintable(),
        "client_cert_pem and client_key_pem go together": bool(params.client_cert_pem) == bool(params.client_key_pem),
        "after must be poweroff or wait": params.after in ("poweroff", "wait"),
        "lldp_wait_s must be between 0 and 600": 0 <= params.lldp_wait_s <= 600,
    }
    return [problem for problem, fine in rules.items() if not fine]
