"""Records and lines of a timeline, as they are stored.

What a newer version has added is skipped, at every depth.
"""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import to_json

from api.runs.records import KnownDevice, RunRecord, StoredRecord
from bringup import errors, log
from bringup.wire.operator import DeviceEvent
from bringup.wire.run import TimelineEntry

_Record = TypeVar("_Record", bound=StoredRecord)
_Found = TypeVar("_Found", RunRecord, KnownDevice)
_Line = TypeVar("_Line", TimelineEntry, DeviceEvent)


def unless_corrupt(read: Callable[[str], _Found | None]) -> Callable[[str], _Found | None]:
    """``read``, which logs what cannot be read and returns None."""

    def read_or_log(name: str) -> _Found | None:
        try:
            return read(name)
        except errors.CorruptRecord as error:
            log.get("api").error("a record cannot be read and is skipped", record=name, why=str(error))
            return None

    return read_or_log


def read_record(model: type[_Record], fields: dict[bytes, bytes]) -> _Record | None:
    """The record in the fields of a hash; None where there are none. Raises CorruptRecord."""
    if not fields:
        return None
    names = _names_of(model)
    document = b",".join([b'"%b":%b' % field for field in fields.items() if field[0] in names])
    try:
        return model.model_validate_json(b"{%b}" % document, extra="ignore")
    except ValueError as error:
        raise errors.CorruptRecord(f"a {model.__name__} in Redis cannot be read: {type(error).__name__}") from error


@cache
def default_of(model: type[StoredRecord], name: str) -> str:
    """What a record without this field has, as JSON; empty: no record is without it."""
    field = model.model_fields[name]
    return "" if field.is_required() else to_json(field.default).decode()


@cache
def _names_of(model: type[StoredRecord]) -> frozenset[bytes]:
    """The fields of a record as they are stored."""
    return frozenset((field.alias or name).encode() for name, field in model.model_fields.items())


def read_line(model: type[_Line], record: str, stored: bytes) -> _Line | None:
    """A line of a timeline; one that cannot be read is logged and None.

    Args:
        model: of the line.
        record: the name of its run or device, for the log.
        stored: the line, as JSON.
    """
    try:
        return model.model_validate_json(stored, extra="ignore")
    except ValidationError as error:
        log.get("api").error("a line of a timeline cannot be read and is skipped", record=record, why=str(error))
        return None
