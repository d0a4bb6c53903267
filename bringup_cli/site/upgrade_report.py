"""The report of an upgrade or a rollback: for people as Markdown, for programs as JSON."""

from pathlib import Path
from typing import Any

from bringup_cli.site import change_report
from bringup_cli.site.upgrade import Direction, UpgradeState


def as_json(state: UpgradeState) -> dict[str, Any]:
    """The report for programs."""
    return change_report.as_json(
        state.record(), direction=state.direction.value, before=state.before, after=state.after
    )


def result_of(state: UpgradeState) -> str:
    """The result in one sentence."""
    if state.passed:
        return f"The site runs {state.after} now, and its self-test has passed."
    if state.went_back:
        how = "its self-test has passed" if state.restored else "not all of it is green"
        return f"The site went back to {state.before}, and {how}. The first action that failed shows why."
    if any(one.what.startswith(("switch", "select")) for one in state.actions):
        return f"The site runs {state.after}, but not all of it is green: the first action that failed shows why."
    return "Nothing that runs was changed: the preparation has failed."


def as_markdown(state: UpgradeState) -> str:
    """The report for people."""
    verb = "Upgrade" if state.direction is Direction.UPGRADE else "Rollback"
    return change_report.as_markdown(state.record(), f"{verb} from {state.before} to {state.after}", result_of(state))


def write(state: UpgradeState, folder: Path) -> list[Path]:
    """Write both forms into a folder, which is made where it is not there; their paths."""
    return change_report.write(state.record(), folder, as_markdown(state), as_json(state))
