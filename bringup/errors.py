"""Every error that bringup raises on purpose, as one tree; pki has a tree of its own (`pki.errors`).

::

    BringupError
    ├── ConfigurationError       files or variables are wrong; lists every problem at once
    │   ├── SettingsError        the settings, or a file that they name
    │   ├── InventoryError       devices.toml
    │   └── OperatorsError       operators.toml
    │       └── OperatorNameError  a name that is taken, or that nobody has
    ├── AuditError               the audit log cannot be written or read, or was altered
    ├── LeaseFormatError         a record of a DHCP server cannot be read
    ├── InvalidTransition        an event does not apply to the state that a run is in
    │   ├── DeadlineAfterEnd     the run has ended before its deadline
    │   └── PowerRefused         the power of this machine must not be switched
    ├── TransientError           may succeed if tried again: retried with backoff
    │   ├── RedisUnavailable     it does not answer, or cannot work now
    │   │   ├── RedisRefusesWrites  it answers reads, and no writes: full, read-only, disk full
    │   │   └── NotReplicated    it has a change that its replicas have not confirmed
    │   ├── HostShortage         this host is short of file descriptors, memory or disk
    │   ├── ApiUnavailable       the API does not answer, or asks to come back later
    │   ├── BmcUnavailable       a BMC does not answer, or accepted and did nothing
    │   │   ├── BmcBusy          waits for its host or for a job of its own: no try is used up
    │   │   └── PermitExpired    the permit ran out before the BMC was sent anything
    │   ├── StateDirUnavailable  the API's own files cannot be read or written
    │   └── NotYet               nothing is wrong, it is only too early
    ├── PermanentError           trying again cannot help: never retried
    │   ├── RedisRefused         Redis refuses our login or a command that we need
    │   ├── CorruptRecord        what Redis holds cannot be read as a record of ours
    │   ├── ApiRejected          the API refuses a call
    │   ├── BmcRejected          a BMC refuses a request
    │   └── JobRefused           a queue held a function that is not on the allow-list
    ├── Refusal                  api.http.problems: ends a request with a problem document
    ├── ParametersTooLarge       api.images.image_store: a run's parameters do not fit into the image
    ├── UnknownBmcAddress        api.images.readers: the name of a BMC cannot be resolved
    ├── TooManyHosts             api.state.selftests: more hosts have posted a self-test than are kept
    ├── TooManyRequests          api.state.enrollments: a host has as many open requests as it may
    ├── TooMuchOutput            api.images.run_certificate: it prints more than it may
    ├── NoRunCertificate         api.images.run_certificate: the command made no certificate
    ├── AlreadyQueued            bringup.quarantine: another job has the id of the one in quarantine
    ├── QueueUnknown             bringup.quarantine: the queue of the job is not known
    ├── Rewritten                dhcp_tailer.open_file: the file was rewritten while it was read
    ├── StackError               bringup_cli.demo.stack: a process of the demonstration has ended
    ├── BmcRefusal               workers.redfish.refusal: a BMC answers 400 or more; never leaves the driver
    │   └── TaskFailed           it accepted the request, and its task failed
    ├── BackupRefused            bringup_cli.backup.archive: a file must not be restored
    ├── BundleRefused            bringup_cli.site.bundle: a file must not be joined with
    ├── UpgradeRefused           bringup_cli.site.upgrade_bundle: an upgrade or a rollback must not begin
    ├── HostCommandFailed        bringup_cli.site.host_system: a command of the operating system failed
    ├── NoCaKey                  selftest.bad_certificates: the test certificates cannot be signed
    └── NotSeen                  selftest.redis_host: what was asked for cannot be seen from this host

Whether something is retried is decided by its class, never by its message.
"""

from collections.abc import Iterator, Sequence


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was made from, innermost last; requests and urllib3 nest in three different ways."""
    inner: BaseException | None = error
    seen: set[int] = set()  # one may be its own cause, by a detour
    while inner is not None:
        yield inner
        seen.add(id(inner))
        places = (getattr(inner, "reason", None), inner.__cause__, *inner.args, inner.__context__)
        inner = next((place for place in places if isinstance(place, BaseException) and id(place) not in seen), None)


def innermost(error: BaseException) -> BaseException:
    """What an error was made from in the end; itself, when from nothing."""
    return list(causes(error))[-1]


def reason_of(error: BaseException) -> str:
    """What the system names as the reason of an error, without its number: ``Connection refused``."""
    return getattr(innermost(error), "strerror", None) or str(error)


class BringupError(Exception):
    """Base of everything that bringup raises on purpose."""


class ConfigurationError(BringupError):
    """Files or variables that people write are wrong; ``problems`` has every problem found, not only the first."""

    heading = "problems"

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{self.heading}:\n" + "\n".join(f"  - {problem}" for problem in self.problems))


class SettingsError(ConfigurationError):
    """The configuration is wrong; ``problems`` names each variable, what is wrong and what is allowed."""

    heading = "the configuration is not usable"


class InventoryError(ConfigurationError):
    """The inventory file is wrong; ``problems`` names each entry and what is wrong with it."""

    heading = "the inventory is not usable"


class OperatorsError(ConfigurationError):
    """The file of operators is wrong."""

    heading = "the operators are not usable"


class OperatorNameError(OperatorsError):
    """The name is taken, or nobody has it; the file is right, and is not changed."""

    heading = "nothing was changed"


class AuditError(BringupError):
    """The audit log cannot be written or read, or it was altered."""


class LeaseFormatError(BringupError):
    """A record looks like a lease but cannot be read as one."""


class InvalidTransition(BringupError):
    """An event does not apply to the state that a run is in."""


class DeadlineAfterEnd(InvalidTransition):
    """The run has ended before its deadline, as most do: nothing was tried too late."""


class PowerRefused(InvalidTransition):
    """The power of this machine must not be switched, by a worker or an operator; the message has the reason."""


class TransientError(BringupError):
    """May succeed later. ``retry_in_s``: seconds to wait when the other side asked for them."""

    def __init__(self, message: str, *, retry_in_s: float | None = None) -> None:
        self.retry_in_s = retry_in_s
        super().__init__(message)


class RedisUnavailable(TransientError):
    """Redis does not answer, or answers that it cannot work now."""


class RedisRefusesWrites(RedisUnavailable):
    """Redis answers reads and refuses writes: its memory or disk is full, it is read-only, its replicas are away."""


class NotReplicated(RedisUnavailable):
    """Redis has a change that its replicas have not confirmed in time; repeating it is harmless, and needed."""


class HostShortage(TransientError):
    """This host is short of file descriptors, memory, threads or disk: no fault of what was being done."""


class ApiUnavailable(TransientError):
    """The callback API does not answer, or asks to come back later."""


class BmcUnavailable(TransientError):
    """The machine's BMC does not answer, is busy, or accepted and did nothing.

    Args:
        retry_in_s: seconds to wait when the BMC asked for them.
        reason: the failure reason that this means for the run when it lasts until the last try.
    """

    def __init__(self, message: str, *, retry_in_s: float | None = None, reason: str = "bmc_unreachable") -> None:
        self.reason = reason
        super().__init__(message, retry_in_s=retry_in_s)


class BmcBusy(BmcUnavailable):
    """The BMC waits for its host (POST) or for a job of its own; it is asked again until the run's time for that is up.

    ``reason``: as in BmcUnavailable, for when it lasts that long.
    """


class PermitExpired(BmcUnavailable):
    """The BMC was too slow: the permit for a write ran out before the request was sent, so it was not sent."""


class StateDirUnavailable(TransientError):
    """A file that the API keeps in STATE_DIR cannot be read or written: a full disk, a damaged file."""


class NotYet(TransientError):
    """Nothing is wrong: the job ran before its time and comes back in ``retry_in_s``."""


class PermanentError(BringupError):
    """Trying again cannot help."""


class RedisRefused(PermanentError):
    """Redis does not let us in, or does not let us do what we must; only a person can help."""


class CorruptRecord(PermanentError):
    """What Redis holds under a key of ours cannot be read as a record of ours."""


class ApiRejected(PermanentError):
    """The callback API refused; ``kind`` is the last part of the problem's type, RFC 9457 s.3.1.1."""

    def __init__(self, message: str, *, kind: str) -> None:
        self.kind = kind
        super().__init__(message)

    @property
    def is_stale(self) -> bool:
        """Whether the run was continued without us, or is gone: nothing is left to do, and nothing is wrong."""
        return self.kind in {"stale", "unknown_run"}


class BmcRejected(PermanentError):
    """The BMC refused; ``reason`` is the failure reason that this means for the run."""

    def __init__(self, message: str, *, reason: str) -> None:
        self.reason = reason
        super().__init__(message)


class JobRefused(PermanentError):
    """A job named a function that is not on the allow-list; nothing was imported."""
