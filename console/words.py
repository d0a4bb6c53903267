"""The words of the page: what a state is called, how it looks, and which need a person."""

from dataclasses import dataclass
from enum import StrEnum

from bringup.model import DeviceState, FailureReason, RunState


class Tone(StrEnum):
    """How a state looks. Each has a shape of its own besides its colour (`console.dots`, console.css)."""

    BAD = "bad"  # a person is needed
    CAUTION = "caution"  # a person should look
    MOVING = "moving"  # on its way
    GOOD = "good"
    IDLE = "idle"  # nothing is to be done, or not by us


class Group(StrEnum):
    """What the states come to, for a person who has ten seconds; in the order of the page."""

    ATTENTION = "need a person"
    MOVING = "are on their way"
    READY = "wait for a lease"
    UP = "are up"
    RESTING = "are in maintenance"


@dataclass(frozen=True)
class StateWord:
    """One state of a machine.

    Args:
        word: what it is called.
        means: one sentence, for a title.
    """

    word: str
    tone: Tone
    group: Group
    means: str


# By the value that the address of the page has (?state=). Their order is that of the groups on the page.
STATES: dict[str, StateWord] = {
    "failed": StateWord("failed", Tone.BAD, Group.ATTENTION, "The run found what must not be, or could not be done."),
    "timed_out": StateWord("timed out", Tone.BAD, Group.ATTENTION, "What was awaited did not come in time."),
    "aborted": StateWord("aborted", Tone.BAD, Group.ATTENTION, "The run was ended before it had a verdict."),
    "degraded": StateWord(
        "degraded", Tone.CAUTION, Group.ATTENTION, "It passed, with differences that are no failure."
    ),
    "discovered": StateWord("not approved", Tone.CAUTION, Group.ATTENTION, "Seen on the network, approved by nobody."),
    "unknown": StateWord("unknown", Tone.CAUTION, Group.ATTENTION, "A newer version of the API has written this."),
    "queued": StateWord("queued", Tone.MOVING, Group.MOVING, "The run waits for a worker or a boot slot."),
    "booting": StateWord("booting", Tone.MOVING, Group.MOVING, "Its BMC is made to boot the validation image."),
    "waiting": StateWord("waiting", Tone.MOVING, Group.MOVING, "It is powered on, and has not called yet."),
    "running": StateWord("running", Tone.MOVING, Group.MOVING, "It examines itself, and sends heartbeats."),
    "validating": StateWord("validating", Tone.MOVING, Group.MOVING, "A run of it is under way."),
    "approved": StateWord("approved", Tone.IDLE, Group.READY, "The next DHCP lease starts a run."),
    "passed": StateWord("passed", Tone.GOOD, Group.UP, "The verdict: it is as expected."),
    "validated": StateWord("validated", Tone.GOOD, Group.UP, "Its last run has passed."),
    "active": StateWord("in service", Tone.GOOD, Group.UP, "In use: never powered by bringup."),
    "audited": StateWord("recorded", Tone.IDLE, Group.UP, "The lease is on record; nothing was powered."),
    "maintenance": StateWord("maintenance", Tone.IDLE, Group.RESTING, "Not touched until a person ends it."),
}
RANK = {name: rank for rank, name in enumerate(STATES)}
# Of these device states the last run has more to say, when it did not pass.
_JUDGED = frozenset({DeviceState.FAILED, DeviceState.VALIDATED})
_NOT_PASSED = frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.ABORTED, RunState.DEGRADED})


def state_of(device: DeviceState, *, maintenance: bool, run: RunState | None) -> str:
    """The one state of a machine: that of its open run, or how the last one ended, or that of the device.

    Args:
        device: its state.
        maintenance: a person has put it in maintenance.
        run: the state of its present or last run; None: it had none.
    """
    if run is not None and not run.ended:
        return run.value
    if maintenance:
        return "maintenance"
    if run is not None and device in _JUDGED and run in _NOT_PASSED:
        return run.value
    return device.value


def reason_word(reason: FailureReason | str | None) -> str:
    """A failure reason as words: ``bmc_unreachable`` is "BMC unreachable"."""
    if not reason:
        return ""
    text = str(reason).replace("_", " ")
    for short in ("bmc", "tls"):
        text = text.replace(f"{short} ", f"{short.upper()} ")
    return text if text[:1].isupper() else text[:1].upper() + text[1:]
