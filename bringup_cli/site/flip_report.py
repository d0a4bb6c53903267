"""The report of a flip: for people as Markdown, for programs as JSON."""

import json
from pathlib import Path
from typing import Any

from bringup.files import write_atomically
from bringup_cli.site.flip import FlipRecord
from bringup_cli.site.flip_files import FlipMode


def as_json(record: FlipRecord) -> dict[str, Any]:
    """The report for programs."""
    return {
        "mode": record.mode.value,
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


def result_of(record: FlipRecord) -> str:
    """The result in one sentence."""
    if record.passed:
        return f"The site is in {record.mode} now, and its self-test has passed."
    if not record.went_back:
        return "Nothing was changed: a check before the flip has failed."
    return f"The site went back to {record.mode.other}: the first action that failed shows why."


def as_markdown(record: FlipRecord) -> str:
    """The report for people."""
    switches = "TLS on" if record.mode is FlipMode.PRODUCTION else "TLS off"
    lines = [
        f"# Flip to {record.mode} ({switches}), {record.began_at:%Y-%m-%d %H:%M} UTC",
        "",
        result_of(record),
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
        result = " ".join(why.replace("|", "\\|").split()) if why else "ok"
        lines.append(f"| {action.host} | {action.what} | {took:.1f} | {result} |")
    return "\n".join(lines) + "\n"


def write(record: FlipRecord, folder: Path) -> list[Path]:
    """Write both forms into a folder; their paths."""
    folder.mkdir(mode=0o755, exist_ok=True)
    name = f"{record.began_at:%Y%m%dT%H%M%SZ}-{record.mode}"
    texts = {f"{name}.md": as_markdown(record), f"{name}.json": json.dumps(as_json(record), indent=1) + "\n"}
    for file, text in texts.items():
        write_atomically(folder / file, text, sole_writer=True)
    return [folder / file for file in texts]
