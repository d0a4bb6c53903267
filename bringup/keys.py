"""Where state lies in Redis: every key of bringup itself, and of rq's own those that we name."""

INSTALLATION = "bringup:installation"  # string: the id that api.state.installation compares
CHANGE_NUMBER = "bringup:change-number"  # counter: see api.state.feed, which alone increments it
CHANGES = "bringup:changes"  # stream: the feed of changes, each under its number (api.state.feed)
LOSS = "bringup:loss"  # hash: the changes that Redis was found to have lost, until an operator accepts it
RUNS = "bringup:runs"  # sorted set: run id by creation time
OPEN_RUNS = "bringup:runs:open"  # set: runs that are not closed
BOOTING_RUNS = "bringup:runs:booting"  # set: runs that hold one of the boot slots (api.state.boot_slots)
WAITING_RUNS = "bringup:runs:waiting"  # sorted set: runs that wait for a boot slot, by creation time
INVENTORY_HOSTS = "bringup:inventory:hosts"  # hash: a summary of each API host's inventory (api.state.inventories)
LOSS_NOTED = "loss"  # field of INVENTORY_HOSTS, which each permit reads: there is a LOSS to read, too
INVENTORY_PUBLISHED = "bringup:inventory:published"  # string: the entries that the feed has last, as JSON
ENROLLMENTS = "bringup:enrollments"  # sorted set: open requests for renewal by the time at which they came
TRUST = "bringup:trust"  # hash: what the CA has published (api.state.enrollments)
SELFTESTS = "bringup:selftests"  # hash: the last self-test of each host (api.state.selftests)
BMC_REQUESTS = "bringup:bmc-requests"  # hash: how many requests to BMCs took how long (api.state.durations)
FOLLOWERS = "bringup:followers"  # hash: how far each follower of the feed is (api.state.followers)
HOSTS = "bringup:hosts"  # hash: the last report of each host of the site
TAILERS = "bringup:tailers"  # hash: the last report of each tailer, by host and file (bringup.tailers)
DEVICES = "bringup:devices"  # set: device names
# Of each device and each open run, the class in which it is counted (api.state.counts).
DEVICE_CLASSES = "bringup:devices:by-class"  # sorted set
RUN_CLASSES = "bringup:runs:by-class"  # sorted set
# Hashes by which builds before 0.2 counted them; such a build beside us makes them anew.
COUNTED_BEFORE = tuple(f"bringup:{kind}:{what}" for kind in ("devices", "runs") for what in ("classes", "counts"))
# Counters: incremented by every transaction that writes a run, a device, also where that is no numbered change.
RUNS_VERSION = "bringup:runs:version"
DEVICES_VERSION = "bringup:devices:version"
COUNTERS = "bringup:counters"  # string: what was counted of runs (api.state.counters)
EXECUTIONS = "bringup:executions:alive"  # sorted set: execution of a job by the time at which it was last alive
REAPER_LOCK = "bringup:executions:sweep"  # string: the lock of the worker process that looks for missing jobs
QUARANTINE = "bringup:unreadable:index"  # hash: job id by what is known of a job in quarantine
# String: written where a transaction had nothing to write, so that there is what to wait for.
BARRIER = "bringup:barrier"
# Every role may write keys of this form, and `bringup selftest` removes what it wrote.
SELFTEST = "bringup:selftest:"
WRITE_PROBE = f"{SELFTEST}write-probe"  # never set: see check_writes() in bringup.connections.redis_client
RQ_QUEUES = "rq:queues"  # set: the keys of all queues. rq's own


def rq_job(job_id: str) -> str:
    """Hash: a job that waits or runs. rq's own."""
    return f"rq:job:{job_id}"


def rq_queue(name: str) -> str:
    """List: the ids of the jobs that wait in a queue. rq's own."""
    return f"rq:queue:{name}"


def rq_workers(name: str) -> str:
    """Set: the keys of the workers that have served a queue and did not end in order. rq's own."""
    return f"rq:workers:{name}"


def rq_scheduled(name: str) -> str:
    """Sorted set: the ids of a queue's jobs that wait for a time, by that time. rq's own."""
    return f"rq:scheduled:{name}"


def quarantined_job(job_id: str) -> str:
    """Hash: a job in quarantine, as rq had it. This name is in the ACL files that installations have already."""
    return f"bringup:unreadable:job:{job_id}"


def enrollments_of(presenter: str) -> str:
    """Hash: the requests for renewal that the holder of a certificate has sent, by the identity of each."""
    return f"bringup:enrollments:{presenter}"


def inventory_of(host_id: str) -> str:
    """String: the entries of one API host's inventory in short, as JSON."""
    return f"bringup:inventory:of:{host_id}"


def ended_runs(state: str, reason: str) -> str:
    """Counter: runs that have ended in this way, as APIs before 0.2 count them."""
    return f"bringup:ended:{state}:{reason}"


def durations(kind: str, state: str, bound: str) -> str:
    """Counter: durations of runs up to so many seconds and above the bound before, or the sum, of APIs before 0.2.

    Args:
        kind: what is timed.
        state: of the run, when it ended or left it.
        bound: in seconds, or the name of the sum.
    """
    return f"bringup:durations:{kind}:{state}:{bound}"


def bmc_report(report_id: str) -> str:
    """String: a worker's report of its requests to BMCs was counted."""
    return f"bringup:bmc-report:{report_id}"


def booting_runs_of(group: str) -> str:
    """Set: runs of a boot group that hold one of the boot slots."""
    return f"bringup:runs:booting:{group}"


def run(run_id: str) -> str:
    """Hash: the fields of a run, each as JSON."""
    return f"bringup:run:{run_id}"


def events(run_id: str) -> str:
    """Stream: the timeline of a run."""
    return f"bringup:run:{run_id}:events"


def packed_events(run_id: str) -> str:
    """String: the timeline of a run that is closed, compressed (api.state.timelines); later lines are in the stream."""
    return f"bringup:run:{run_id}:events:packed"


def report(run_id: str) -> str:
    """String: the report of a run, as JSON, if version 0.1 has written it."""
    return f"bringup:run:{run_id}:report"


def packed_report(run_id: str) -> str:
    """String: the report of a run, as JSON, compressed (api.state.timelines)."""
    return f"bringup:run:{run_id}:report:packed"


def artifacts(run_id: str) -> str:
    """Hash: the artifacts of a run by name, as they came."""
    return f"bringup:run:{run_id}:artifacts"


def artifact_sizes(run_id: str) -> str:
    """Hash: the sizes of these, in bytes."""
    return f"bringup:run:{run_id}:artifact-sizes"


def run_token(run_id: str) -> str:
    """String: the SHA-256 of the run's token, if an API before 0.2 has given it out."""
    return f"bringup:run:{run_id}:token"


def refused(run_id: str) -> str:
    """Counter: calls for the run that bore a wrong token or certificate."""
    return f"bringup:run:{run_id}:refused"


def machine(uuid: str) -> str:
    """String: the device as which a machine with this UUID was seen first."""
    return f"bringup:machine:{uuid}"


def token_owner(digest: str) -> str:
    """String: the run that the token with this SHA-256 belongs to."""
    return f"bringup:token:{digest}"


def run_image(run_id: str) -> str:
    """String: the SHA-256 of the secret in the address of the run's image, if an API before 0.2 has given it out."""
    return f"bringup:run:{run_id}:image"


def image_read(run_id: str, what: str) -> str:
    """``parameters``: when they were read, seconds since 1970; ``bytes``: counter; ``other``: an address."""
    return f"bringup:run:{run_id}:image:{what}"


def image_reads(run_id: str) -> list[str]:
    """All that is kept of how an image was read."""
    return [image_read(run_id, what) for what in ("bytes", "parameters", "other")]


def image(digest: str) -> str:
    """Hash: what belongs to the image's address whose secret has this SHA-256; the parameters are encrypted with it."""
    return f"bringup:image:{digest}"


def device_events(name: str) -> str:
    """Stream: what people changed of a device."""
    return f"bringup:device:{name}:events"


def device_runs(name: str) -> str:
    """Sorted set: run id by creation time, of one device."""
    return f"bringup:device:{name}:runs"


def device(name: str) -> str:
    """Hash: the fields of a device, each as JSON."""
    return f"bringup:device:{name}"
