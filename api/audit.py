"""Records what people change, before and after it is changed: a kill in between leaves a line that shows it.

Each process and each host of the API writes to the audit log of its host (`bringup.audit`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from api.blocking import in_a_thread
from api.http.problems import Refusal
from api.principal import Principal, PrincipalRole, current_principal
from api.runs.records import Change
from api.services import services
from bringup import errors, log, model
from bringup.audit import AuditEntry, AuditLog, AuditResult


@dataclass
class AuditRecord:
    """The line about one change, as far as it is known.

    Args:
        principal: who changes.
        before, after: the state of the run or the device.
    """

    principal: Principal
    before: str | None = None
    after: str | None = None

    def states(self, before: object, after: object) -> None:
        """What the state was, and what it is now."""
        self.before, self.after = str(before), str(after)


@contextmanager
def recorded(action: str, target: str, reason: str = "") -> Iterator[AuditRecord]:
    """Record the change that the block makes, and its refusal.

    The first line is on disk before anything is changed: a change without a record is worse than a record without one.

    Args:
        action: such as ``run.abort``.
        target: such as ``run/ID``.
        reason: that the person gave.

    Raises:
        AuditError: the log cannot be written; nothing was changed.
    """
    record = AuditRecord(current_principal())
    _write(record, action, target, AuditResult.REQUESTED, reason)
    try:
        yield record
    except Refusal as refusal:
        _try_to_write(record, action, target, AuditResult.REFUSED, refusal.detail)
        raise
    except Exception as error:
        why = str(error) if isinstance(error, errors.BringupError) else type(error).__name__
        _try_to_write(record, action, target, AuditResult.FAILED, why)
        raise
    else:
        _try_to_write(record, action, target, AuditResult.DONE, reason)


def signed(change: Change, before: object = None) -> Change:
    """The change with the caller's name on the timeline.

    Args:
        before: state of the run before it; None: there was no run.
    """
    if change.entry is None:
        return change
    who = current_principal()
    update = {"by": who.name, "address": who.address, "before": before}
    return replace(change, entry=change.entry.model_copy(update=update))


def record_refusal(action: str, target: str, detail: str) -> None:
    """Record that a caller asked for a change that they may not make.

    Args:
        action: what was asked for.
        target: of what.
        detail: why it is refused.
    """
    principal = current_principal()
    if principal.role is PrincipalRole.UNKNOWN:
        skipped = services().unknown_callers.skipped()
        if skipped is None:
            return
        detail += f" ({skipped} more since the last line)" if skipped else ""
    _try_to_write(AuditRecord(principal), action, target, AuditResult.REFUSED, detail)


def _try_to_write(record: AuditRecord, action: str, target: str, result: AuditResult, detail: str) -> None:
    """What is done is done: that it cannot be recorded is an error in the log, and none of the caller's."""
    try:
        _write(record, action, target, result, detail)
    except errors.AuditError as error:
        log.get("api").error(
            "the outcome of a change is not in the audit log", action=action, of=target, why=str(error)
        )


def _write(record: AuditRecord, action: str, target: str, result: AuditResult, detail: str) -> None:
    who = record.principal
    entry = AuditEntry(
        at=model.utc_now(),
        who=who.name,
        role=who.role,
        address=who.address,
        action=action,
        target=target,
        result=result,
        before=record.before,
        after=record.after,
        certificate=who.certificate,
        detail=detail,
        console=who.console,
    )
    # The lock of the file and fsync block outside of sockets.
    in_a_thread(partial(AuditLog(services().settings.audit_path).append, entry))
