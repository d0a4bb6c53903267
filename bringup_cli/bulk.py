"""Commands that act on one or many devices, runs or jobs: with a preview of what would happen to which."""

from collections.abc import Sequence

import click

from bringup import actions
from bringup.text import printable
from bringup.wire.actions import ActionPreview, OperatorAction
from bringup_cli.context import Context, Output, print_json, print_line, print_table
from bringup_cli.exit_status import EXIT_FAILED

dry_run_option = click.option(
    "--dry-run",
    is_flag=True,
    help="Show what would happen to which; change nothing. Exit status 1: to some it would not.",
)


def act(
    context: click.Context,
    action: OperatorAction,
    targets: Sequence[str],
    output: Output,
    *,
    dry_run: bool,
    reason: str = "",
) -> None:
    """Do to each target what can be done, and show what was done and what was not. Exits with 1 if some was not.

    Args:
        context: of the command.
        action: what is done.
        targets: names of devices, or ids of runs or jobs.
        output: what ``--output`` was given.
        dry_run: only show what would be done.
        reason: on record; empty: the usual one.
    """
    given: Context = context.obj
    client = given.api()
    found = actions.preview(client, action, targets, reason)
    if dry_run:
        _show_preview(found, output)
        is_whole = all(one.would for one in found.targets)
    else:
        is_whole = _apply(client, found, output, reason)
    context.exit(0 if is_whole else EXIT_FAILED)


def _apply(client: actions.ActsOnApi, found: ActionPreview, output: Output, reason: str) -> bool:
    outcomes = []
    for one in actions.apply(client, found, reason):
        outcomes.append(one)
        # At once, line by line: of many, a person sees how far it has come.
        if output == "table" and one.done:
            print_line(one.detail)
        elif output == "table":
            click.echo(printable(f"{one.target}: nothing was done, because {one.detail}"), err=True)
    if output == "json":
        print_json({"action": found.action, "targets": [one._asdict() for one in outcomes]})
    return all(one.done for one in outcomes)


def _show_preview(found: ActionPreview, output: Output) -> None:
    if output == "json":
        print_json({**found.model_dump(mode="json"), "summary": actions.summary(found)})
        return
    print_table(
        "Preview: nothing is changed",
        ("Target", "Would", "Now", "Then", "Why not, or what else it means"),
        [
            (one.target, "yes" if one.would else "no", one.state, one.becomes, one.reason or "; ".join(one.warnings))
            for one in found.targets
        ],
    )
    print_line(f"{actions.summary(found)}.")
