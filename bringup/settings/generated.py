"""What is made from the settings: ``.env.example``, a fresh ``.env``, and the page ``docs/settings.md``."""

import secrets
import string
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bringup import errors, files
from bringup.settings.schema import variables

SECRET_LENGTH = 32  # letters and digits: 190 bits, beyond any guessing
FRESH_SECRETS = ("REDIS_PASSWORD", "REDIS_SENTINEL_PASSWORD", "API_TOKEN")
# The heading above a setting, by the first setting below it.
_GROUPS = {
    "environment": "General",
    "redis_host": "Redis",
    "callback_api_host": "Callback API",
    "console_host": "Console",
    "dhcp_source": "DHCP tailer",
    "worker_concurrency": "Workers",
    "boot_timeout_s": "Time and limits",
}

_HEAD = """\
# Settings

Read from the process environment, then from `.env` in the working directory, or the files that `BRINGUP_ENV_FILE`
(with colons between them) or `bringup --env-file` (repeated) names. The environment wins, then the later file.
`bringup config` shows the effective values and where each came
from; `bringup init` writes a `.env` with fresh secrets.

Switches take true/false, 1/0, yes/no, on/off in any case, and nothing else. All problems are listed at once. A name
that is almost one of ours is an error that names the right one.

This page and `.env.example` are made from the settings themselves:

```console
$ python -m scripts.update_docs
```
"""


def example() -> str:
    """Every setting with its default and what it is for: the text of ``.env.example``."""
    return _render({})


def fresh(values: Mapping[str, str]) -> str:
    """The text of a ``.env`` with fresh secrets, and some settings by name."""
    return _render({name: new_secret() for name in FRESH_SECRETS} | dict(values))


def write_new(path: Path) -> None:
    """Write a ``.env`` with mode 0600 and fresh secrets; never overwrite.

    Raises:
        SettingsError: the file is there already, or cannot be written.
    """
    text = fresh({})
    try:
        files.write_atomically(path, text, replace=False)
    except FileExistsError:
        raise errors.SettingsError([f"{path} is there already and is never overwritten; move it away first"]) from None
    except OSError as error:
        raise errors.SettingsError([f"{path} cannot be written: {error.strerror}"]) from None


def new_secret() -> str:
    """32 letters and digits: safe in every configuration file that it must be copied to."""
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(SECRET_LENGTH))


def _render(values: dict[str, str]) -> str:
    lines = [
        "# Settings of bringup. The process environment wins over this file.",
        "# Switches take true/false, 1/0, yes/no, on/off.",
    ]
    for name, field in variables().items():
        if group := _GROUPS.get(name.lower()):
            lines += ["", f"# --- {group} " + "-" * (70 - len(group))]
        lines += [
            f"# {field.description}{choices(field)}",
            f"{name}={values.get(name, default_text(field))}",
        ]
    return "\n".join(lines) + "\n"


def choices(field: FieldInfo) -> str:
    """The words that a setting may be, where it is one of a few."""
    options = [str(option) for option in get_args(field.annotation) if isinstance(option, str)]
    return f" ({' | '.join(options)})" if options else ""


def default_text(field: FieldInfo) -> str:
    """A default as text of a file; empty for none, and for secrets."""
    default = field.default
    if default is None or default is PydanticUndefined or default == () or isinstance(default, SecretStr):
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


def page() -> str:
    """The text of ``docs/settings.md``: it cannot differ from the settings."""
    lines = [_HEAD.rstrip("\n")]
    for name, field in variables().items():
        if group := _GROUPS.get(name.lower()):
            lines += ["", f"## {group}", "", "| variable | default | meaning |", "|---|---|---|"]
        default = f"`{default_text(field)}`" if default_text(field) else ""
        meaning = f"{field.description}{choices(field)}".replace("|", "\\|")
        lines.append(f"| `{name}` | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    texts = {"env": example, "settings.md": page}
    print(texts[sys.argv[1]](), end="")  # noqa: T201 - that is what running it is for
