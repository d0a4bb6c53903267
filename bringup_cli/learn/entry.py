"""The entry of a machine: what is added to it, or the whole block of a machine that has none yet."""

from ipaddress import IPv4Address
from typing import Any, NamedTuple

import tomlkit
from tomlkit.items import InlineTable, Item, Table

from bringup.expectation import Expectation
from bringup.model import normalise_mac
from bringup.verdict.judge import judge_expected
from bringup.wire.report import CheckStatus
from bringup_cli.learn.learned import Learned

# RFC 6761 s.6.4: this name resolves nowhere, so no credential goes anywhere before a person fills in the address.
_UNKNOWN_BMC = "https://bmc.invalid"


class Change(NamedTuple):
    """One value, by its place in the entry, such as ``expected.tpm``. ``on_record`` is None for a new one."""

    field: str
    on_record: Any
    found: Any


def extend(entry: Table | InlineTable, learned: Learned, *, replace: bool) -> list[Change]:
    """Add what the entry does not have. Returns what was added, and what is on record and was found otherwise."""
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


def _ports(entry: Table | InlineTable, learned: Learned) -> list[Change]:
    on_record = _plain(entry.get("nic_macs"))
    if sorted(map(normalise_mac, on_record or ())) == sorted(learned.nic_macs):
        return []
    return [Change("nic_macs", on_record or None, list(learned.nic_macs))]


def _part(entry: Table | InlineTable, name: str, learned: Learned) -> Change | None:
    """None: on record, and the machine passes it; or its serial stands in the entry itself."""
    on_record = _plain(entry["expected"].get(name))
    if on_record is None and not (name == "serial" and "serial" in entry):
        return Change(f"expected.{name}", None, learned.expected[name])
    if on_record is None or _passes(learned, {name: on_record}):
        return None
    return Change(f"expected.{name}", on_record, learned.expected[name])


def _passes(learned: Learned, expected: dict[str, Any]) -> bool:
    checks = judge_expected(learned.found, Expectation.model_validate(expected))
    return all(check.status is CheckStatus.PASS for check in checks)


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
