"""The inventory with the learned lines in it, as a patch. The file itself is never written."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, NamedTuple

import tomlkit
from pydantic import ValidationError
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, InlineTable, Item, Table

from bringup import errors, expectation, inventory, model
from bringup.verdict.judge import judge_expected
from bringup.wire.report import CheckStatus
from bringup_cli.learn.learned import Learned

# RFC 6761 s.6.4: this name resolves nowhere, so no credential goes anywhere before a person fills in the address.
_UNKNOWN_BMC = "https://bmc.invalid"


class ProposedValue(NamedTuple):
    """One value, by its place in the entry, such as ``expected.tpm``. ``on_record`` is None for a new one."""

    field: str
    on_record: Any
    found: Any


class Proposal(NamedTuple):
    """``changes``: what was added, and what is on record and was found otherwise. ``patch`` is "" without any."""

    patch: str
    changes: list[ProposedValue]
    is_new: bool  # the inventory has no entry of this machine


def propose(path: Path, name: str, learned: Learned, *, replace: bool = False) -> Proposal:
    """What to add to the inventory in ``path`` for the machine of that name.

    Args:
        replace: put what was found in the place of what is on record and differs, too.

    Raises:
        InventoryError: the file is missing or wrong, or no patch of it can be made that changes this entry alone.
    """
    is_new = name not in inventory.Inventory.read(path).by_name
    before = _text(path)
    try:
        after, changes = (
            _appended(before, name, learned) if is_new else _extended(before, name, learned, replace=replace)
        )
    except TOMLKitError as error:
        raise errors.InventoryError([f"{path}: cannot be edited ({error}); add the lines by hand"]) from None
    _check(path, before, after, name)
    return Proposal(_diff(path.name, before, after), changes, is_new)


def _text(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:  # with its own line ends
        return file.read()


def _appended(before: str, name: str, learned: Learned) -> tuple[str, list[ProposedValue]]:
    block = tomlkit.document()
    entries = AoT([])
    entries.append(new_entry(name, learned))
    block.append("device", entries)
    text = tomlkit.dumps(block)
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    changes = [ProposedValue("nic_macs", None, list(learned.nic_macs))]
    changes += [ProposedValue(f"expected.{part}", None, value) for part, value in learned.expected.items()]
    return before + (gap + text).replace("\n", "\r\n" if "\r\n" in before else "\n"), changes


def _extended(before: str, name: str, learned: Learned, *, replace: bool) -> tuple[str, list[ProposedValue]]:
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
        raise errors.InventoryError([f"{path}: its form cannot be edited here; add the lines by hand"])
    try:
        inventory.Inventory(inventory.Device.model_validate(entry) for entry in tomllib.loads(after)["device"])
    except errors.InventoryError as error:
        what = "these lines make the inventory unusable; is the report of another machine?"
        raise errors.InventoryError([f"{path}: {what}", *error.problems]) from None
    except ValidationError as error:
        why = "; ".join(problem["msg"] for problem in error.errors(include_input=False, include_url=False))
        raise errors.InventoryError([f"{path}: the report does not make an entry: {why}"]) from None


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


def extend(entry: Table | InlineTable, learned: Learned, *, replace: bool) -> list[ProposedValue]:
    """Add what the entry does not have. Returns what was added, and what is on record and was found otherwise.

    Args:
        entry: of the machine, in its file; changed in place.
        learned: what a report of the machine showed.
        replace: also what is on record and was found otherwise.
    """
    changes = _ports(entry, learned)
    if "expected" not in entry:
        entry["expected"] = tomlkit.inline_table() if isinstance(entry, InlineTable) else tomlkit.table()
    expected = entry["expected"]
    changes += [change for name in learned.expected if (change := _part(entry, name, learned))]
    for change in changes:
        if change.on_record is None or replace:
            table = expected if change.field.startswith("expected.") else entry
            table[change.field.removeprefix("expected.")] = _item(change.found)
    return changes


def _ports(entry: Table | InlineTable, learned: Learned) -> list[ProposedValue]:
    on_record = _plain(entry.get("nic_macs"))
    if sorted(map(model.normalise_mac, on_record or ())) == sorted(learned.nic_macs):
        return []
    return [ProposedValue("nic_macs", on_record or None, list(learned.nic_macs))]


def _part(entry: Table | InlineTable, name: str, learned: Learned) -> ProposedValue | None:
    """None: on record, and the machine passes it; or its serial is in the entry itself."""
    on_record = _plain(entry["expected"].get(name))
    if on_record is None and not (name == "serial" and "serial" in entry):
        return ProposedValue(f"expected.{name}", None, learned.expected[name])
    if on_record is None or _passes(learned, {name: on_record}):
        return None
    return ProposedValue(f"expected.{name}", on_record, learned.expected[name])


def _passes(learned: Learned, expected: dict[str, Any]) -> bool:
    checks = judge_expected(learned.found, expectation.Expectation.model_validate(expected))
    return all(check.status is CheckStatus.OK for check in checks)


def new_entry(name: str, learned: Learned) -> Table:
    """A whole entry. It is ``active``, which nothing ever powers, until a person has read it."""
    entry = tomlkit.table()
    entry.add(
        tomlkit.comment(f"Learned from the report of run {learned.run_id}: read every line before you rely on it.")
    )
    entry["name"] = name
    if learned.bmc_mac:
        entry["bmc_mac"] = learned.bmc_mac
    entry["nic_macs"] = _item(list(learned.nic_macs))
    entry["bmc"] = _bmc(learned.bmc_address)
    is_known = entry["bmc"] != _UNKNOWN_BMC
    entry["bmc"].comment("as the machine reports it: check it" if is_known else "unknown: fill it in")
    entry["state"] = "active"
    entry["state"].comment("never powered; set it to approved when you have read this entry")
    entry["expected"] = tomlkit.table()
    entry["expected"].update({part: _item(value) for part, value in learned.expected.items()})
    return entry


def _bmc(address: str | None) -> str:
    try:
        return f"https://{IPv4Address(address or '')}"
    except ValueError:
        return _UNKNOWN_BMC


def _plain(value: Any) -> Any:
    return value.unwrap() if isinstance(value, Item) else value


def _item(value: Any) -> Item:
    """Tables on one line, so that the diff of one value is one line."""
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        table.update(value)
        return table
    if not isinstance(value, list):
        plain: Item = tomlkit.item(value)
        return plain
    array = tomlkit.array()
    array.extend(_item(part) for part in value)
    return array
