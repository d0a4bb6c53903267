"""What a disk reports of its own health: raw values, as `bringup.wire.report.Smart` has them. The API judges them.

Source: smartctl(8) 7.3 with --json, whose exit status has bit 0 set for a wrong call and bit 1 for a device that could
not be opened or identified. What it could not read never looks like a healthy disk: the reason is reported instead.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from agent.system import CommandResult, System
from agent.text import device_text

# The overall health, the counters, the error counters of SCSI, the wear of ATA SSDs (device statistics).
_ARGUMENTS = ("--json", "-H", "-i", "-A", "-l", "error", "-l", "devstat")
# Seconds for one disk: a spinning disk answers within 10 s even when it wakes up.
_TIMEOUT_S = 30.0
# The bits of the exit status that mean that no disk was asked.
_NOT_ASKED = 0b11
# How smartctl 7.3 refuses a virtual disk, and one that a RAID controller hides (os_linux.cpp, smartctl.cpp).
_HIDDEN = re.compile(r"Unable to detect device type|please try adding '-d|requires option '-d")
# The largest number that `bringup.wire.report.Smart` accepts; NVMe counts with 128 bits.
_MAX_NUMBER = 2**63 - 1

# Our counters, and smartctl's name for each (NVMe) or the number of the attribute (ATA).
_NVME = {
    "critical_warning": "critical_warning",
    "available_spare": "available_spare",
    "spare_threshold": "available_spare_threshold",
    "percentage_used": "percentage_used",
    "media_errors": "media_errors",
}
_ATA = {"reallocated_sectors": 5, "reported_uncorrectable": 187, "pending_sectors": 197, "offline_uncorrectable": 198}
# Where an ATA SSD reports its wear: page of the device statistics, offset in it. Source: ACS-4 s.9.5.
_SSD_PAGE, _PERCENTAGE_USED = 7, 8

Counters = dict[str, int | None]


def smart(path: str, system: System) -> dict[str, object]:
    """``smart`` with what the disk reports, or ``smart_problem`` with why it could not be read.

    ``smart_unavailable``: because the disk has none, or its RAID controller hides it.

    Args:
        path: the device node, such as /dev/sda.
    """
    result = system.execute(["smartctl", *_ARGUMENTS, path], _TIMEOUT_S)
    reply = _parsed(result)
    problem = _problem(result, reply, path)
    if reply is None or problem:
        return {"smart_problem": device_text(problem), "smart_unavailable": _is_hidden(result, problem)}
    protocol = str(_at(reply, "device", "protocol")).lower()
    passed = _at(reply, "smart_status", "passed")
    counters = _READERS[protocol](reply)
    if not isinstance(passed, bool) and not any(value is not None for value in counters.values()):
        no_data = "the disk reports no SMART data (a RAID volume or a virtual disk?)"
        return {"smart_problem": no_data, "smart_unavailable": _has_none(protocol, reply)}
    return {
        "smart": {
            "protocol": protocol,
            "passed": passed if isinstance(passed, bool) else None,
            "counters": counters,
        }
    }


def _parsed(result: CommandResult) -> Mapping[str, Any] | None:
    try:
        reply = json.loads(result.output)
    except (ValueError, RecursionError):
        return None
    return reply if isinstance(reply, dict) else None


def _problem(result: CommandResult, reply: Mapping[str, Any] | None, path: str) -> str:
    """Why this reply shows nothing; "" where it does."""
    if result.code is None:
        return f"smartctl {result.problem or 'did not end in time, or is not there'}"
    if result.code < 0:
        return f"smartctl was ended by signal {-result.code}"
    if reply is None:
        return f"the output of smartctl is no JSON (exit status {result.code})"
    if result.code & _NOT_ASKED:
        return _refusal(reply) or f"smartctl could not open the disk (exit status {result.code})"
    if _at(reply, "device", "name") != path:
        return f"smartctl answered for {_at(reply, 'device', 'name') or 'no disk'}"
    protocol = str(_at(reply, "device", "protocol"))
    return "" if protocol.lower() in _READERS else f"smartctl speaks {protocol} to the disk, which is not known here"


def _has_none(protocol: str, reply: Mapping[str, Any]) -> bool:
    """Whether the disk has no SMART data: NVMe always has, ATA reports whether, a RAID volume (SCSI) may not."""
    available = _at(reply, "smart_support", "available")
    return {"nvme": False, "ata": available is False, "scsi": available is not True}[protocol]


def _is_hidden(result: CommandResult, problem: str) -> bool:
    """There is nothing to read, which is no fault of the disk or of smartctl."""
    return result.code is not None and result.code > 0 and _HIDDEN.search(problem) is not None


def _refusal(reply: Mapping[str, Any]) -> str:
    messages = _at(reply, "smartctl", "messages")
    texts = [_at(message, "string") for message in messages] if isinstance(messages, list) else []
    return "; ".join(text for text in texts if isinstance(text, str))


def _nvme(reply: Mapping[str, Any]) -> Counters:
    return {ours: _number(_at(reply, "nvme_smart_health_information_log", theirs)) for ours, theirs in _NVME.items()}


def _ata(reply: Mapping[str, Any]) -> Counters:
    raw = {_at(row, "id"): _raw(row) for row in _rows(_at(reply, "ata_smart_attributes", "table"))}
    return {ours: raw.get(number) for ours, number in _ATA.items()} | {"percentage_used": _ata_percentage(reply)}


def _raw(row: object) -> int | None:
    """The number that the text begins with: for some attributes vendors pack other things into the upper bytes."""
    text = _at(row, "raw", "string")
    found = re.match("[0-9]+", text) if isinstance(text, str) else None
    return _number(int(found[0][:20])) if found else _number(_at(row, "raw", "value"))


def _ata_percentage(reply: Mapping[str, Any]) -> int | None:
    pages = _rows(_at(reply, "ata_device_statistics", "pages"))
    rows = (row for page in pages if _at(page, "number") == _SSD_PAGE for row in _rows(_at(page, "table")))
    return next((_number(_at(row, "value")) for row in rows if _at(row, "offset") == _PERCENTAGE_USED), None)


def _scsi(reply: Mapping[str, Any]) -> Counters:
    logs = (_at(reply, "scsi_error_counter_log", name) for name in ("read", "write", "verify"))
    errors = [count for log in logs if (count := _number(_at(log, "total_uncorrected_errors"))) is not None]
    used = _number(_at(reply, "scsi_percentage_used_endurance_indicator"))
    return {
        "grown_defects": _number(_at(reply, "scsi_grown_defect_list")),
        "uncorrected_errors": min(sum(errors), _MAX_NUMBER) if errors else None,
        # smartctl 7.4 and later have it under this name.
        "percentage_used": used if used is not None else _number(_at(reply, "endurance_used", "current_percent")),
    }


_READERS = {"nvme": _nvme, "ata": _ata, "scsi": _scsi}


def _at(part: object, *keys: str) -> Any:
    """The value at this path; None where the reply has another form."""
    for key in keys:
        part = part.get(key) if isinstance(part, dict) else None
    return part


def _rows(part: object) -> list[Any]:
    return part if isinstance(part, list) else []


def _number(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        return None
    return min(value, _MAX_NUMBER)
