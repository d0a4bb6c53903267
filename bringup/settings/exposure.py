"""Files with secrets that others than this user and root may read or change."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bringup.settings.schema import Settings, variables

_OTHERS = 0o066  # reading and writing by the group and by everybody


def exposed(paths: Iterable[Path]) -> Iterator[str]:
    """What is wrong with each file, and what to do; nothing about a file that is not there."""
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue  # whether it must be there is another question
        if status.st_mode & _OTHERS:
            yield f"{path}: its mode {status.st_mode & 0o777:04o} gives a secret to other users; run: chmod 600 {path}"
        elif status.st_uid not in {0, os.geteuid()}:
            yield f"{path}: it belongs to user {status.st_uid}, not to this one; run: chown {os.geteuid()} {path}"


def with_secrets(files: Iterable[tuple[Path, Mapping[str, str]]]) -> list[Path]:
    """Those of the files of settings that set a secret."""
    secret = {name for name, field in variables().items() if "Secret" in str(field.annotation)}
    return [path for path, values in files if any(values.get(name) for name in secret)]


def keys_of(settings: Settings, *, redis: object, api: object, serves: object) -> list[Path]:
    """The private keys that a service uses.

    Args:
        redis: whether it connects to Redis.
        api: whether it calls the API.
        serves: whether it serves the API or images.
    """
    used = {
        "redis_tls_key": settings.redis_use_tls and redis,
        "api_client_key": settings.api_use_tls and api,
        "api_tls_key": settings.api_use_tls and serves,
    }
    return list(dict.fromkeys(settings.path_of(name) for name, yes in used.items() if yes))
