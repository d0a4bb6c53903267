"""Reading the settings: from the environment, then ``.env``, then defaults; every problem at once."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from dotenv.parser import parse_stream
from pydantic import ValidationError

from bringup.errors import SettingsError
from bringup.settings.rules import broken_rules
from bringup.settings.schema import Settings, exposed, variables, with_secrets

Rules = Callable[[Settings], Iterable[str]]
EnvFiles = Path | Sequence[Path]

ENV_FILE_VARIABLE = "BRINGUP_ENV_FILE"
# The first of these that can be read: the folder of a development or, anywhere on the host of the CA, what
# `bringup site init` has written for root alone.
_DEFAULT_FILES = (Path(".env"), Path("/etc/bringup/site.env"))

# A variable that is almost ours: a security switch that is silently ignored is the worst bug we can have. The prefixes
# are those of our settings; the words are those in the names of settings for security.
_OURS = re.compile(r"^_*(REDIS|API|CALLBACK|PKI|CA|DHCP|DEVICES?|BRINGUP)(_|$)", re.IGNORECASE)
_SECURITY = re.compile(r"(TLS|SSL|CERT|CRT|CRL|TOKEN|PASS)", re.IGNORECASE)
# How alike two names are, 1 for equal ones. Slips (ENVIROMENT, RETRY_MAX, ALLOW_INSECURE_PROD) have 0.86 and more;
# names of other software (STATE_DIRECTORY, DB_PASSWORD, API_KEY) have 0.80 at most.
_CLOSE = 0.85


@dataclass(frozen=True)
class Loaded:
    """Settings, and where each came from (variable -> ``environment``, the file's name, or ``default``).

    Args:
        exposed: the files among them that have secrets and that other users can read.
        env_files: the files that were read, later ones winning.
    """

    settings: Settings
    origins: Mapping[str, str]
    exposed: tuple[str, ...] = ()
    env_files: tuple[Path, ...] = ()


def load(environ: Mapping[str, str] | None = None, env_file: EnvFiles = (), *, rules: Rules = broken_rules) -> Loaded:
    """The effective settings of this process.

    Args:
        environ: default is the process environment, which wins over the file.
        env_file: one file or several, of which later ones win. Default is what ``BRINGUP_ENV_FILE`` names, with colons
            between several (they must exist), else ``.env`` here.
        rules: what must hold between settings; `pki_rules` for the commands that make the certificates.

    Raises:
        SettingsError: with every problem found. No value is ever part of a message, for it may be a secret.
    """
    environ = os.environ if environ is None else environ
    files = _read_env_files(environ, env_file)
    known = variables()
    raw: dict[str, str] = {}
    origins: dict[str, str] = dict.fromkeys(known, "default")
    for values, origin in (*((values, str(path)) for path, values in files), (environ, "environment")):
        for name in known.keys() & values.keys():
            raw[name] = values[name]
            origins[name] = origin
    problems = [
        *(problem for path, values in files for problem in _misspelt_in(values, f"in {path}", own_file=True)),
        *_misspelt_in(environ, "in the environment", own_file=False),
    ]
    exposures = tuple(exposed(with_secrets(files)))

    def all_rules(settings: Settings) -> Iterator[str]:
        yield from rules(settings)
        if settings.environment == "production" and not settings.allow_insecure_production:
            yield from exposures

    read = tuple(path for path, _ in files)
    return Loaded(_validated(raw, problems, all_rules), origins, exposures, read)


def env_files(environ: Mapping[str, str], named: EnvFiles = ()) -> tuple[Path, ...]:
    """The files that settings are read from, later ones winning; they need not exist."""
    if isinstance(named, Path):
        return (named,)
    by_variable = map(Path, filter(None, environ.get(ENV_FILE_VARIABLE, "").split(os.pathsep)))
    return tuple(named) or tuple(by_variable)


def _read_env_files(environ: Mapping[str, str], named: EnvFiles) -> list[tuple[Path, dict[str, str]]]:
    files = env_files(environ, named)
    missing = [path for path in files if not path.exists()]
    if missing:
        makers = "`bringup init` writes .env, `bringup redis-conf` redis/ROLE.env"
        raise SettingsError(
            [f"{path} does not exist; {ENV_FILE_VARIABLE} or --env-file names it ({makers})" for path in missing]
        )
    return [(path, _assignments(path)) for path in files or _default_files()]


def _default_files() -> tuple[Path, ...]:
    local, host = _DEFAULT_FILES
    return (local,) if local.exists() else (host,) if os.access(host, os.R_OK) else ()


def _assignments(path: Path) -> dict[str, str]:
    """What the file sets. A line that is skipped would leave a switch at its default, so none is."""
    try:
        with path.open(encoding="utf-8") as file:
            lines = list(parse_stream(file))  # no interpolation: a password may hold "${"
    except OSError as error:
        raise SettingsError([f"{path} cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"{path} cannot be read: it is no text in UTF-8"]) from None
    bad = [line.original.line for line in lines if line.error or (line.key and line.value is None)]
    if bad:
        raise SettingsError([f"{path}: line {number} is not NAME=value" for number in bad])
    return {line.key: line.value for line in lines if line.key and line.value is not None}


def _misspelt_in(names: Mapping[str, str], where: str, *, own_file: bool) -> list[str]:
    ours = _misspelt((n for n in names if n != ENV_FILE_VARIABLE), variables(), own_file=own_file)
    return [f"{name}: there is no such setting ({where}); did you mean {right}?" for name, right in ours.items()]


def _misspelt(names: Iterable[str], known: Iterable[str], *, own_file: bool) -> dict[str, str]:
    """The names that must be ours but are not, each with the known name nearest to it.

    Args:
        own_file: the names are in our ``.env``, where every name with our prefixes must be known. In the
            process environment other software has names too (Kubernetes sets ``REDIS_SERVICE_HOST``), so
            there only names that are close to ours, or that speak of security, count.
    """
    known = tuple(known)
    folded = {_fold(name) for name in known}
    found = {}
    for name in names:
        if _fold(name) in folded and name.upper() in known:
            continue
        ours = bool(_OURS.match(name))
        nearest, closeness = _nearest(name, known if ours else _perhaps_near(name, known))
        if closeness >= _CLOSE or (ours and (own_file or _SECURITY.search(name))):
            found[name] = nearest
    return found


def _fold(name: str) -> str:
    return name.upper().replace("_", "").replace("-", "")


def _perhaps_near(name: str, known: Iterable[str]) -> Iterator[str]:
    """The names that can be close, by length and letters: each start of a service compares its whole environment."""
    target = _target(name)
    matcher = SequenceMatcher(None, b=target, autojunk=False)
    for other in known:
        matcher.set_seq1(other)
        letters_agree = matcher.real_quick_ratio() >= _CLOSE and matcher.quick_ratio() >= _CLOSE
        if letters_agree or _means_switch(target, other):
            yield other


def _nearest(name: str, known: Iterable[str]) -> tuple[str, float]:
    target = _target(name)
    return max(((other, _closeness(target, other)) for other in known), key=lambda pair: pair[1], default=("", 0.0))


def _target(name: str) -> str:
    return name.upper().replace("SSL", "TLS")


def _closeness(name: str, other: str) -> float:
    """1 is the same."""
    return 1.0 if _means_switch(name, other) else SequenceMatcher(None, name, other, autojunk=False).ratio()


def _means_switch(name: str, other: str) -> bool:
    """``REDIS_TLS`` means the switch ``REDIS_USE_TLS``, not a file beside it."""
    return {*name.split("_"), "USE"} == set(other.split("_"))


def _validated(raw: Mapping[str, str], problems: list[str], rules: Rules) -> Settings:
    try:
        settings = Settings.model_validate(_fields(raw))
    except ValidationError as error:
        raise SettingsError([*problems, *_explained(error)]) from None
    problems += rules(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def _fields(raw: Mapping[str, str]) -> dict[str, object]:
    """Texts by field name. Empty means unset, except for a switch: it must be one of its words."""
    fields: dict[str, object] = {}
    for name, text in raw.items():
        field = name.lower()
        if text == "" and Settings.model_fields[field].annotation is not bool:
            continue
        fields[field] = text
    return fields


def _explained(error: ValidationError) -> list[str]:
    return [
        f"{str(problem['loc'][0]).upper()}: {_in_words(problem['msg'])}"
        for problem in error.errors(include_input=False, include_url=False, include_context=False)
    ]


def _in_words(message: str) -> str:
    words = message.removeprefix("Value error, ").replace("Input should", "must")
    return words.partition(", unable to parse")[0].replace("a valid integer", "a whole number").replace("valid ", "")
