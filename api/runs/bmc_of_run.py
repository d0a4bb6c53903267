"""Which BMC a run belongs to, and how it is reached. Pure.

A run stays with the BMC that it began with, whatever is edited in the inventory meanwhile. The address, the
credential's name and what proves the BMC's certificate are pinned in the run when it is opened, under a seal that only
the API can make. Credentials go to no address that the inventory has not named: a client that can write to Redis can
write a run, but not its seal.
"""

import hashlib
import hmac
import json

from api.runs.records import RunRecord
from bringup import bmc_address, inventory
from bringup.settings import Settings

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


def on_record(entry: inventory.Device | None) -> dict[str, object]:
    """How the machine's BMC is reached, by the inventory as it is now."""
    if entry is None:
        return {"bmc": None, "credential": None}
    return {name: getattr(entry, name) for name in FIELDS} | {"serial": entry.serial or entry.expected.serial}


def with_seal(run: RunRecord, settings: Settings) -> RunRecord:
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


def _seal(run: RunRecord, settings: Settings) -> str:
    """HMAC-SHA256 under a key of its own, derived from API_TOKEN, which every host of the API has."""
    # A key of its own, so that no other use of API_TOKEN can ever be made to sign a BMC.
    token = settings.api_token.get_secret_value() if settings.api_token else ""
    key = hmac.digest(token.encode(), b"bringup: the BMC of a run", "sha256")
    content = json.dumps([run.run_id, run.device, *(getattr(run, name) for name in FIELDS)])
    return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()
