"""What a machine that runs the image does to its run: its heartbeats, and the report with which the run ends. Pure."""

import hashlib
from dataclasses import replace

from api.runs.records import Change
from api.runs.states import RunContext
from bringup import expectation, model
from bringup.verdict.judge import judge
from bringup.wire.machine import Heartbeat
from bringup.wire.report import Report

# Of one run. A machine in a crash loop is recognised after 3 boots; more than 100 only fill the record.
_MOST_BOOT_IDS = 100


def heartbeat(context: RunContext, beat: Heartbeat) -> Change:
    """The machine runs. Only its first heartbeat after a boot is on the timeline: else heartbeats would fill it."""
    known = context.run.boot_ids
    is_new = beat.boot_id not in known and len(known) < _MOST_BOOT_IDS
    boot_ids = (*known, beat.boot_id) if is_new else known
    marks = {"last_heartbeat_at": context.now, "boot_ids": boot_ids, "stage": beat.stage}
    detail = f"boot {len(boot_ids)}, up {beat.uptime_s:.0f} s" + (f", {beat.stage}" if beat.stage else "")
    change = context.step("heartbeat", detail, **marks)
    return change if is_new else replace(change, entry=None)


def report(context: RunContext, message: Report) -> Change:
    """The machine's report: the verdict is made here, of what was found, and the run ends."""
    entry = context.device.entry
    verdict = judge(
        message, entry.expectation if entry else expectation.Expectation(), entry.host_macs if entry else ()
    )
    reason = model.FailureReason.CHECK_FAILED if verdict.state is model.RunState.FAILED else None
    change = context.end(
        verdict.state.value, reason, verdict.summary, verdict=verdict, report_sha256=report_digest(message)
    )
    device = change.device.with_record(product=message.inventory.system_vendor.product_name or None)
    return replace(change, report=message.model_dump_json().encode(), device=device)


def report_digest(message: Report) -> str:
    """The same for the same content, whatever its white space or order of keys."""
    return hashlib.sha256(message.model_dump_json().encode()).hexdigest()
