"""The page ``docs/settings.md``: made from the settings, so that it cannot say anything else."""

from bringup.settings.env_file import choices, default_text
from bringup.settings.schema import GROUPS, variables

_HEAD = """\
# Settings

Read from the process environment, then from `.env` in the working directory (or the file that `BRINGUP_ENV_FILE` or
`bringup --env-file` names). The environment wins. `bringup config` shows the effective values and where each came
from; `bringup init` writes a `.env` with fresh secrets.

Switches take true/false, 1/0, yes/no, on/off in any case, and nothing else. All problems are listed at once. A name
that is almost one of ours is an error that names the right one.

This page and `.env.example` are made from the settings themselves:

```console
$ python -m bringup.settings.page > docs/settings.md
$ python -m bringup.settings.env_file > .env.example
```
"""


def page() -> str:
    """The text of the page."""
    lines = [_HEAD.rstrip("\n")]
    for name, field in variables().items():
        if group := GROUPS.get(name.lower()):
            lines += ["", f"## {group}", "", "| variable | default | meaning |", "|---|---|---|"]
        default = f"`{default_text(field)}`" if default_text(field) else ""
        meaning = f"{field.description}{choices(field)}".replace("|", "\\|")
        lines.append(f"| `{name}` | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - that is what running it is for
