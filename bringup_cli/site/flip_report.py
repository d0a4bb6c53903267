"""The report of a flip: for people as Markdown, for programs as JSON."""

from pathlib import Path
from typing import Any

from bringup_cli.site import change_report
from bringup_cli.site.flip import FlipRecord
from bringup_cli.site.flip_files import FlipMode


def as_json(record: FlipRecord) -> dict[str, Any]:
    """The report for programs."""
    return change_report.as_json(record, mode=record.target.value)


def result_of(record: FlipRecord) -> str:
    """The result in one sentence."""
    if record.passed:
        return f"The site is in {record.target} now, and its self-test has passed."
    if not record.went_back:
        return "Nothing was changed: a check before the flip has failed."
    return f"The site went back to {record.target.other}: the first action that failed shows why."


def as_markdown(record: FlipRecord) -> str:
    """The report for people."""
    switches = "TLS on" if record.target is FlipMode.PRODUCTION else "TLS off"
    return change_report.as_markdown(record, f"Flip to {record.target} ({switches})", result_of(record))


def write(record: FlipRecord, folder: Path) -> list[Path]:
    """Write both forms into a folder; their paths."""
    return change_report.write(record, folder, as_markdown(record), as_json(record))
