"""How a run begins: what a lease opens, and to which BMC the run is pinned from then on. Pure.

A run stays with the BMC that it began with, whatever is edited in the inventory meanwhile. The address, the
credential's name and what proves the BMC's certificate are pinned in the run when it is opened, under a seal that only
the API can make. Credentials go to no address that the inventory has not named: who can write to Redis can write a run,
but not its seal.
"""

import hashlib
import hmac
import json
from datetime import datetime

from api.runs.admission import decide
from api.runs.records import Change, Job, KnownDevice, RunRecord
from bringup import bmc_address, inventory
from bringup.model import Decision, DeviceState, JobKind, LeaseEvent, RunState
from bringup.settings import Settings
from bringup.wire.run import TimelineEntry

# Everything by which a worker reaches the BMC and knows the machine: what is missing here could be redirected by an
# edit of the inventory, or by a write to Redis, in the middle of a run.
FIELDS = (
    "bmc",
    "boot_method",
    "credential",
    "bmc_ca",
    "bmc_fingerprint",
    "bmc_verify",
    "serial",
    "uuid",
    "boot_timeout_s",
)


def opened_by(event: LeaseEvent, device: KnownDevice, now: datetime) -> Change | None:
    """The change that a new lease makes; None: the machine has a run, to which the lease then belongs.

    Args:
        now: by Redis's clock.
    """
    seen = device.with_record(ip=str(event.ip), seen_mac=event.mac, last_seen_at=now)
    decision, reason = decide(seen)
    if decision is Decision.RUNNING:
        return None
    run = _new_run(event.run_id, seen, decision, reason, now)
    run = run.model_copy(update={"mac": event.mac, "hostname": event.hostname})
    return _recorded(run, seen, f"lease of {event.ip}: {reason}", now)


def started_by_operator(run_id: str, device: KnownDevice, why: str, now: datetime) -> Change:
    """A run without a lease.

    Args:
        why: the operator's reason.
        now: by Redis's clock.
    """
    run = _new_run(run_id, device, Decision.START, why, now)
    return _recorded(run, device, why, now)


def on_record(entry: inventory.Device | None) -> dict[str, object]:
    """How the machine's BMC is reached, by the inventory as it is now."""
    if entry is None:
        return {"bmc": None, "credential": None}
    return {name: getattr(entry, name) for name in FIELDS} | {"serial": entry.serial or entry.expected.serial}


def sealed(run: RunRecord, settings: Settings) -> RunRecord:
    """The run, with the seal on how its BMC is reached."""
    return run.model_copy(update={"bmc_seal": _seal(run, settings)})


def pinned(run: RunRecord, entry: inventory.Device | None, settings: Settings) -> dict[str, object]:
    """How the BMC that the run began with is reached; no BMC where that cannot be known any more.

    A run of a version that did not seal yet goes by the inventory. So does one with a seal of another key (API_TOKEN
    was changed, or another client has written the run), but only where the inventory still names the same BMC.

    Args:
        entry: of the run's device, as the inventory has it now.
    """
    if hmac.compare_digest(run.bmc_seal, _seal(run, settings)):
        return {name: getattr(run, name) for name in FIELDS}
    is_elsewhere = entry is not None and bool(run.bmc_seal) and not bmc_address.same_bmc(run.bmc, entry.bmc)
    return on_record(None if is_elsewhere else entry)


def _new_run(run_id: str, device: KnownDevice, decision: Decision, reason: str, now: datetime) -> RunRecord:
    """A run at its beginning; for an audit that is its end too."""
    starts = decision is Decision.START
    entry = device.entry
    return RunRecord(
        run_id=run_id,
        device=device.record.name,
        mac=entry.macs[0] if entry else str(device.record.seen_mac),
        ip=device.record.ip or "",
        decision=decision,
        state=RunState.QUEUED if starts else RunState.AUDITED,
        detail="" if starts else reason,
        created_at=now,
        updated_at=now,
        ended_at=None if starts else now,
        closed_at=None if starts else now,
    ).model_copy(update=on_record(entry))


def _recorded(run: RunRecord, device: KnownDevice, detail: str, now: datetime) -> Change:
    starts = run.decision is Decision.START
    changes: dict[str, object] = {"last_run": run.run_id}
    if starts:
        changes |= {"state": DeviceState.VALIDATING, "active_run": run.run_id}
    entry = TimelineEntry(at=now, type="lease", state=run.state, applied=True, detail=detail)
    return Change(run, device.with_record(**changes), entry, (Job(JobKind.BOOT),) if starts else ())


def _seal(run: RunRecord, settings: Settings) -> str:
    """HMAC-SHA256 under a key of its own, derived from API_TOKEN, which every host of the API has."""
    token = settings.api_token.get_secret_value() if settings.api_token else ""
    key = hmac.digest(token.encode(), b"bringup: the BMC of a run", "sha256")
    content = json.dumps([run.run_id, run.device, *(getattr(run, name) for name in FIELDS)])
    return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()
