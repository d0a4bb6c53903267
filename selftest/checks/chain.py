"""Test 10: the chain from a lease to a machine: who fills the queues, who serves them, what is stuck, what is reached.

Tailers and workers run on hosts of their own; the API, which every worker and console may ask, sees them all.
"""

import shlex
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from importlib import import_module
from typing import Any

from bringup import bmc_address, errors, inventory, model
from bringup.tailers import SILENT_AFTER_S
from bringup.text import counted
from bringup.wire.operator import DeviceList, DeviceView, QueueList, TailerView
from pki.check import Finding, info, ok, skip, warn
from selftest.case import AT_API, WORKS, Ask, Case, amiss
from selftest.target_installation import TargetInstallation

_GROUP = "10 The chain"
_OLD_API = "the API is of an older version, which does not report it"
# Seconds for which a tailer may have something to read: it reads 100,000 records a second.
_BEHIND_S = 60.0
# BMCs that are asked, spread over the inventory: enough to see a network that is not reached, and all at once.
_MOST_BMCS = 16
_NAMED = 4  # machines in one message


def _workers(target: TargetInstallation, found: QueueList) -> Finding:
    """Each queue is served: a job on one that is not would wait for ever."""
    if any(queue.workers is None for queue in found.queues):
        return skip(_OLD_API, hint="upgrade the API first")
    idle = [queue for queue in found.queues if not queue.workers]
    if idle:
        waiting = ", ".join(f"{queue.name} ({queue.queued} jobs wait)" for queue in idle)
        return amiss(
            target,
            f"no worker serves {waiting}",
            "start `bringup work` on a worker's host, with redis/worker.env; `bringup queues` shows it within 5 s",
            expected="one process of `bringup work` at least, which serves every queue",
            cause="it does not run, is of another installation, or Redis refuses it: see its log",
        )
    threads = ", ".join(f"{queue.name}: {queue.workers}" for queue in found.queues)
    return ok(f"threads that serve each queue: {threads}")


def _tailers(target: TargetInstallation, found: QueueList) -> Finding:
    """Leases are read: a tailer runs, its file can be read, and it is at the end of it."""
    if found.tailers is None:
        return skip(_OLD_API, hint="upgrade the API first")
    if not found.tailers:
        return amiss(
            target,
            "no tailer reports",
            "start `bringup tail` on the DHCP server's host, with redis/tailer.env",
            expected="a tailer, which reports every 10 s",
            cause="none runs; or its users.acl is older than this version: bringup redis-conf --force",
        )
    problems = [(one, problem) for one in found.tailers if (problem := _problem(one))]
    if problems:
        first = problems[0][0]
        return amiss(
            target,
            "; ".join(f"the tailer of {one.path} on {one.host} {problem}" for one, problem in problems),
            f"on {first.host} look at the log of `bringup tail`, at DHCP_PATH ({first.path}) and its mode; "
            "a tailer that was retired is forgotten a week after its last report",
            expected="it runs and is at the end of its file",
        )
    return ok("; ".join(f"{one.path} on {one.host} is read to its end" for one in found.tailers))


def _problem(tailer: TailerView) -> str:
    if tailer.silent_s > SILENT_AFTER_S:
        return f"has been silent for {tailer.silent_s:.0f} s"
    if tailer.problem:
        return f"cannot read it: {tailer.problem}"
    return f"has been behind for {tailer.behind_s:.0f} s" if tailer.behind_s > _BEHIND_S else ""


def _jobs(target: TargetInstallation, found: QueueList) -> Finding:
    """Nothing is stuck: a job in quarantine waits for a person, one that failed has met a defect."""
    if found.quarantine:
        one = found.quarantine[0]
        # Quoted: who can write to Redis chooses the id, and a person copies the command into a shell.
        job_id = shlex.quote(one.job_id)
        number = sum(queue.quarantined for queue in found.queues)
        return amiss(
            target,
            f"{counted(number, 'job')} in quarantine, the oldest {one.job_id} of the queue {one.queue or 'unknown'}: "
            f"{one.reason}",
            f"bringup queues requeue {job_id}",
            expected="none: their leases lead to no run",
            cause="no worker could read it: of another version, or damaged; what still cannot be read comes back, and "
            f"`bringup queues discard {job_id}` deletes it",
        )
    failed = [f"{queue.failed} in {queue.name}" for queue in found.queues if queue.failed]
    if failed:
        hint = "look for the job's traceback in the log of `bringup work`; a failed job is forgotten after 7 days"
        return warn(f"failed jobs: {', '.join(failed)}", hint, cause="a defect of bringup, or of what it talks to")
    return ok("no job has failed, and none is in quarantine")


def _of_the_queues(judge: Any) -> Ask:
    def check(target: TargetInstallation) -> Finding:
        try:
            found = target.api_client().get("/queues", QueueList)
        except errors.BringupError as error:
            return skip(f"the API was not asked: {error}", hint=target.api.see)
        finding: Finding = judge(target, found)
        return finding

    return check


def _bmcs(target: TargetInstallation) -> Finding:
    """This worker's host reaches BMCs as the inventory has them, up to TLS; no credential is sent."""
    try:
        known = _addresses(target)
    except errors.BringupError as error:
        return skip(f"the addresses of BMCs are not known here: {error}", hint=target.api.see)
    asked = _spread(known)
    if not asked:
        return info("the inventory names no BMC that is not simulated")
    answers = dict(zip((one.name for one in asked), _ask_all(target, asked), strict=True))
    silent = {name: why for name, why in answers.items() if why}
    if not silent:
        return ok(f"{len(asked)} BMCs of {len(known)} were asked, and prove themselves as the inventory requires")
    named = "; ".join(f"{name}: {why}" for name, why in list(silent.items())[:_NAMED])
    message = f"{len(silent)} of {len(asked)} BMCs do not answer as the inventory requires: {named}"
    first = shlex.quote(next(iter(silent)))
    if len(silent) < len(asked):
        return warn(message, f"bringup bmc check {first}", cause="these BMCs are off, or replaced")
    return amiss(
        target,
        message,
        f"bringup bmc check {first}",
        expected="an answer by HTTPS from this host",
        cause="no route or a firewall between this host and the BMCs' network; or bmc, bmc_ca, bmc_fingerprint",
    )


def _addresses(target: TargetInstallation) -> list[DeviceView]:
    """The BMCs of the inventory: of the file where it is here, else as the API has it."""
    path = target.settings.devices_file
    if path.exists():
        entries = inventory.Inventory.read(path).by_name.values()
        fields = {"name", "bmc", "bmc_ca", "bmc_fingerprint", "bmc_verify"}
        found: Iterable[DeviceView] = [
            DeviceView(state=model.DeviceState.APPROVED, in_inventory=True, **entry.model_dump(include=fields))
            for entry in entries
        ]
    else:
        found = target.api_client().get("/devices", DeviceList).devices
    by_host = {bmc_address.host_key(one.bmc): one for one in found if one.bmc and one.bmc.startswith("https://")}
    return list(by_host.values())


def _spread(known: Sequence[DeviceView]) -> Sequence[DeviceView]:
    step = max(1, -(-len(known) // _MOST_BMCS))
    return known[::step]


def _ask_all(target: TargetInstallation, asked: Sequence[DeviceView]) -> list[str]:
    """For each why it does not answer; empty if it does. All at once: together they take as long as the slowest."""
    pool = ThreadPoolExecutor(len(asked))
    futures = [pool.submit(_ask, target, one) for one in asked]
    wait(futures, timeout=target.wait_s + 1)
    pool.shutdown(wait=False, cancel_futures=True)
    return [future.result() if future.done() and not future.cancelled() else "no answer in time" for future in futures]


def _ask(target: TargetInstallation, device: DeviceView) -> str:
    # Imported here: sushy takes longer to load than most checks take, and only a worker's host needs it.
    connection: Any = import_module("workers.redfish.connection")
    settings = target.settings.model_copy(update={"bmc_connect_timeout_s": target.wait_s})
    try:
        made = connection.RedfishConnection(device, settings)
        try:
            made.connect()
        finally:
            made.close()
    except Exception as error:  # noqa: BLE001 - one BMC's answer must not end the check; the text is reported
        return str(errors.innermost(error))
    return ""


# Test 10 proves that a lease that is written now leads to a run: a tailer reads it (chain.tailers), a worker takes
# each job (chain.workers), none is stuck (chain.jobs), and the BMCs are reached from the worker's host (chain.bmcs).
CHECKS = (
    *(
        Case(id_, title, _of_the_queues(judge), group=_GROUP, needs=("3a", "3b"), after_start=True, roles=AT_API)
        for id_, title, judge in (
            ("chain.tailers", "Leases are read", _tailers),
            ("chain.workers", "Every queue has a worker", _workers),
            ("chain.jobs", "No job is stuck", _jobs),
        )
    ),
    Case("chain.bmcs", "This host reaches BMCs", _bmcs, group=_GROUP, roles=WORKS),
)
