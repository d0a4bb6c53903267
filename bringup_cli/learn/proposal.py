"""The inventory with the learned lines in it, as a patch. The file itself is never written."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import tomlkit
from pydantic import ValidationError
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT

from bringup.errors import InventoryError
from bringup.inventory import Device, Inventory
from bringup_cli.learn.entry import Change, extend, new_entry
from bringup_cli.learn.learned import Learned


class Proposal(NamedTuple):
    """``changes``: what was added, and what is on record and was found otherwise. ``patch`` is "" without any."""

    patch: str
    changes: list[Change]
    is_new: bool  # the inventory has no entry of this machine


def propose(path: Path, name: str, learned: Learned, *, replace: bool = False) -> Proposal:
    """What to add to the inventory in ``path`` for the machine of that name.

    Args:
        replace: put what was found in the place of what is on record and differs, too.

    Raises:
        InventoryError: the file is missing or wrong, or no patch of it can be made that changes this entry alone.
    """
    is_new = name not in Inventory.read(path).by_name
    before = _text(path)
    try:
        after, changes = (
            _appended(before, name, learned) if is_new else _extended(before, name, learned, replace=replace)
        )
    except TOMLKitError as error:
        raise InventoryError([f"{path}: cannot be edited ({error}); add the lines by hand"]) from None
    _check(path, before, after, name)
    return Proposal(_diff(path.name, before, after), changes, is_new)


def _text(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:  # with its own line ends
        return file.read()


def _appended(before: str, name: str, learned: Learned) -> tuple[str, list[Change]]:
    block = tomlkit.document()
    entries = AoT([])
    entries.append(new_entry(name, learned))
    block.append("device", entries)
    text = tomlkit.dumps(block)
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    changes = [Change("nic_macs", None, list(learned.nic_macs))]
    changes += [Change(f"expected.{part}", None, value) for part, value in learned.expected.items()]
    return before + (gap + text).replace("\n", "\r\n" if "\r\n" in before else "\n"), changes


def _extended(before: str, name: str, learned: Learned, *, replace: bool) -> tuple[str, list[Change]]:
    document = tomlkit.parse(before)
    entry = next(entry for entry in document["device"] if entry["name"] == name)
    changes = extend(entry, learned, replace=replace)
    applied = replace or any(change.on_record is None for change in changes)
    return tomlkit.dumps(document) if changes and applied else before, changes


def _check(path: Path, before: str, after: str, name: str) -> None:
    """Whatever the form of the file: the patch must lead to an inventory of which only this entry has changed.

    The inventory itself refuses two entries with one MAC: a report of another machine is not learned.
    """
    old, new = _others(before, name), _others(after, name)
    if old is None or old != new:
        raise InventoryError([f"{path}: its form cannot be edited here; add the lines by hand"])
    try:
        Inventory(Device.model_validate(entry) for entry in tomllib.loads(after)["device"])
    except InventoryError as error:
        what = "these lines make the inventory unusable; is the report of another machine?"
        raise InventoryError([f"{path}: {what}", *error.problems]) from None
    except ValidationError as error:
        why = "; ".join(problem["msg"] for problem in error.errors(include_input=False, include_url=False))
        raise InventoryError([f"{path}: the report does not make an entry: {why}"]) from None


def _others(text: str, name: str) -> list[dict[str, Any]] | None:
    try:
        entries: list[dict[str, Any]] = tomllib.loads(text).get("device", [])
    except tomllib.TOMLDecodeError:
        return None
    return [entry for entry in entries if entry["name"] != name]


def _diff(file: str, before: str, after: str) -> str:
    return "".join(_marked(difflib.unified_diff(_lines(before), _lines(after), file, file)))


def _lines(text: str) -> list[str]:
    """By line feeds alone, as patch(1) counts lines: a comment may hold other characters that end a line."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _marked(lines: Iterable[str]) -> Iterator[str]:
    """A last line without a line end is marked as patch(1) wants it."""
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
