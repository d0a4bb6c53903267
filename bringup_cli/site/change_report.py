"""The report of a flip or an upgrade: for people as Markdown, for programs as JSON."""

import json
from pathlib import Path
from typing import Any

from bringup.files import write_atomically
from bringup_cli.site.actions import SiteChange, Target


def as_json(record: SiteChange[Target], **head: str) -> dict[str, Any]:
    """The report for programs. ``head``: what comes first in it."""
    return {
        **head,
        "began_at": record.began_at.isoformat(timespec="seconds"),
        "passed": record.passed,
        "went_back": record.went_back,
        "api_outage_s": round(record.outage_s, 1),
        "changes": record.changes,
        "actions": [
            {"host": action.host, "what": action.what, "seconds": round(took, 1), "failed": why}
            for action, took, why in record.actions
        ],
    }


def as_markdown(record: SiteChange[Target], title: str, result: str) -> str:
    """The report for people.

    Args:
        record: what was done.
        title: what it was.
        result: in one sentence.
    """
    lines = [
        f"# {title}, {record.began_at:%Y-%m-%d %H:%M} UTC",
        "",
        result,
        f"The API did not answer for {record.outage_s:.1f} s at most.",
        "",
        "## What changed",
        "",
        *(f"- {host}: `{line}`" for host, changed in record.changes.items() for line in changed),
        "",
        "## What was done",
        "",
        "| host | what | seconds | result |",
        "|---|---|---|---|",
    ]
    for action, took, why in record.actions:
        failed = " ".join(why.replace("|", "\\|").split()) if why else "ok"
        lines.append(f"| {action.host} | {action.what} | {took:.1f} | {failed} |")
    return "\n".join(lines) + "\n"


def write(record: SiteChange[Target], folder: Path, markdown: str, document: dict[str, Any]) -> list[Path]:
    """Write both forms into a folder; their paths.

    Args:
        record: its time and its target are the name of the files.
        folder: made where it is not there.
        markdown, document: the two forms.
    """
    folder.mkdir(mode=0o755, exist_ok=True)
    name = f"{record.began_at:%Y%m%dT%H%M%SZ}-{record.target}"
    texts = {f"{name}.md": markdown, f"{name}.json": json.dumps(document, indent=1) + "\n"}
    for file, text in texts.items():
        write_atomically(folder / file, text, sole_writer=True)
    return [folder / file for file in texts]
