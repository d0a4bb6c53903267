"""``bringup audit``: who changed what, and whether the record of it is whole."""

from datetime import datetime
from pathlib import Path

import click

from bringup.audit import read, verify
from bringup_cli.context import Context
from bringup_cli.output import Output, output_option, print_json, print_line, print_table

_file = click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)


@click.group()
def audit() -> None:
    """Read the audit log of this host, and prove that nothing in it was altered or removed."""


@audit.command("verify")
@_file
@output_option
@click.pass_obj
def audit_verify(context: Context, file: Path | None, output: Output) -> None:
    """Check every line of the log against the line before it, and its end against its head."""
    path = file or context.settings_for().audit_path
    newest = verify(path)
    if output == "json":
        print_json({"file": str(path), "lines": newest.number, "sha256": newest.digest})
        return
    print_line(f"{path} is whole: {newest.number} lines, each follows the one before it. Newest: {newest.digest}")


@audit.command("show")
@_file
@click.option("--who", help="Only what this person or service did.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Only from then on (UTC).")
@output_option
@click.pass_obj
def audit_show(context: Context, file: Path | None, who: str | None, since: datetime | None, output: Output) -> None:
    """List who changed what, oldest first."""
    found = [
        entry
        for entry in read(file or context.settings_for().audit_path)
        if (who is None or entry.who == who) and (since is None or entry.at.replace(tzinfo=None) >= since)
    ]
    if output == "json":
        print_json([entry.model_dump(mode="json") for entry in found])
        return
    print_table(
        "Changes by people, oldest first",
        ("Time", "Who", "Role", "From", "Action", "Of", "Result", "Before", "After", "Detail"),
        [
            (
                *(entry.at.isoformat(timespec="seconds"), entry.who, entry.role, entry.address, entry.action),
                *(entry.target, entry.result, entry.before, entry.after, entry.detail),
            )
            for entry in found
        ],
    )
