"""The guard: the only way to a permit, and so the only way to write to a BMC or to switch a machine.

Each switch of the machine has a permit of its own, asked for directly before it. Another write may use the permit of
the write before it, where the API has named both, and while it holds.

The guard connects to the BMC first, so that a slow login or handshake uses up no permit. Then it asks the API, and
the clock of the permit starts when the question is sent. A worker that was stopped by the kernel and continues later
must not act on what was true then.
"""

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from bringup.errors import ApiRejected, ApiUnavailable, BmcBusy, BmcUnavailable, NotYet, PermitExpired, TransientError
from bringup.wire.run import MachineIdentity
from bringup.wire.run_events import PERMIT_S, EventType, RunEventReply, RunMedia, RunStep
from workers.bmc import Bmc, Permit, PowerState
from workers.job_context import JobContext, cut

# Permits for one write. A slow BMC may use up a permit before it is sent anything; what the driver has read by then
# it need not read again, so the second or third try is quicker. A BMC that is too slow for three is reported.
_PERMITS_PER_WRITE = 3
# Seconds that a permit must still hold to be used for the next write: what a driver reads before it sends takes one or
# two round trips of up to a second each, and with less left they would be for nothing.
_LEAST_LEFT_S = PERMIT_S / 2
# Seconds to wait here for a busy BMC (On right after off, a job that ends). One that is busy for minutes gives the
# worker thread back, and the job comes again: so a thread is occupied no longer than by a slow virtual medium.
_BUSY_S = 60.0
# Seconds between two tries at a busy BMC that sends no Retry-After: POST and lifecycle jobs last minutes, and each try
# costs a permit and a few requests.
_BUSY_RETRY_S = 5.0
# Seconds between two reads of the power state: one GET of a few KB; machines take 1 to 180 s.
_POWER_POLL_S = 0.5


class Guard:
    """Asks for the permits of one execution of a job.

    Args:
        context: what the job works with.
        run_id: the run that the permits are for.
        bmc: what is written to.
        fencing_token: of the execution; the API refuses any but the latest.
    """

    def __init__(self, context: JobContext, run_id: str, bmc: Bmc, fencing_token: str) -> None:
        self.context = context
        self.bmc = bmc
        self._run_id = run_id
        self._fencing_token = fencing_token
        self._is_used = False
        self._latest: Permit | None = None
        self.media: RunMedia | None = None  # what the run's machine must boot, once it was asked for
        self._taken: list[RunStep] = []
        self._posted: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """Give the last permit back: every request was answered, or waited for as long as an answer may take."""
        if self._is_used and (kind is None or issubclass(kind, Exception)):
            with suppress(ApiRejected, TransientError):  # then the next execution waits until nothing can arrive
                self.post(EventType.PERMIT_RETURNED)

    def identify(self) -> None:
        """Read which machine answers. The API compares before it gives the first permit, and gives none for another."""
        self.bmc.connect()
        self.taken(EventType.MACHINE_IDENTIFIED, identity=self.bmc.identity().message())

    def taken(self, what: EventType, *, detail: str = "", identity: MachineIdentity | None = None) -> None:
        """A step was taken: it is posted with the next event.

        Args:
            what: one that `RunStep` may have.
            detail: the line that the run's timeline shows.
            identity: of the machine, for `machine_identified`.
        """
        self._taken.append(RunStep.model_validate({"type": what, "detail": cut(detail), "identity": identity}))

    def end_with(self, what: EventType) -> None:
        """Post the last step, and with it that nothing is under way any more."""
        if not self._is_used:  # an execution before this one has done it
            self.post(what)
            return
        self.taken(what)
        self.post(EventType.PERMIT_RETURNED)
        self._is_used = False

    def last_steps(self) -> tuple[RunStep, ...]:
        """The steps that were not posted yet, for the event that ends the run, which ends the permit, too."""
        self._is_used, steps = False, tuple(self._taken)
        self._taken.clear()
        return steps

    def ask_ahead(self, what: EventType, detail: str) -> None:
        """Ask for the run's medium, with a permit for the last of the next writes that the API lets cover all of them.

        Args:
            what: the kind of permit to ask for.
            detail: the line that the run's timeline shows.

        Raises:
            ApiRejected: the permit was refused.
            NotYet: an earlier permit may still be in use elsewhere.
        """
        self._ask(what, detail, wants_media=True)

    def insert_media(self, detail: str) -> None:
        """Put the run's medium in, which the API makes together with the permit. Raises as `write` does.

        Args:
            detail: the line that the run's timeline shows.
        """

        def insert(permit: Permit) -> None:
            if self.media is None:
                raise ApiUnavailable("the API has permitted to insert a medium, and named none")
            self.bmc.insert_media(self.media, permit)

        self.write(EventType.WRITE_REQUESTED, insert, detail, wants_media=True)

    def write(
        self, what: EventType, act: Callable[[Permit], None], detail: str = "", *, wants_media: bool = False
    ) -> None:
        """Let ``act`` write with a permit that covers ``what``; with a new one when it ran out unused.

        Args:
            what: the kind of permit to ask for.
            act: sends the write, and raises PermitExpired when it could not send it in time.
            detail: the line that the run's timeline shows.
            wants_media: what the machine must boot is asked for with the first permit.

        Raises:
            ApiRejected: the permit was refused; nothing was written by this call.
            NotYet: an earlier permit may still be in use elsewhere.
            PermitExpired: the BMC is too slow to be written to while a permit is valid.
            BmcBusy: it waits for its host or for a job of its own, for longer than is waited for here.
        """
        deadline = self.context.clock() + _BUSY_S
        while True:
            try:
                return self._write(what, act, detail, wants_media=wants_media)
            except BmcBusy as busy:
                if self.context.clock() >= deadline:
                    raise
                self._wait(busy)

    def _write(self, what: EventType, act: Callable[[Permit], None], detail: str, *, wants_media: bool) -> None:
        if permit := self._covering(what):
            with suppress(PermitExpired):
                return act(permit)
        for _ in range(_PERMITS_PER_WRITE - 1):
            with suppress(PermitExpired):
                return act(self._ask(what, detail, wants_media=wants_media))
        return act(self._ask(what, detail, wants_media=wants_media))

    def _covering(self, what: EventType) -> Permit | None:
        """The latest permit, where it covers ``what``, too, and holds long enough. One before it has been replaced."""
        latest = self._latest
        return latest if latest and what in latest.covers and latest.remaining_s() >= _LEAST_LEFT_S else None

    def _ask(self, what: EventType, detail: str, *, wants_media: bool) -> Permit:
        self.bmc.connect()
        # Before the question: a clock that starts with the answer would be late by the time that the answer took.
        asked_at = self.context.clock()
        # Once: each medium has a token of its own, and makes the one before it invalid.
        reply = self.post(what, detail=detail, wants_media=wants_media and self.media is None)
        if reply.next_s is not None:
            raise NotYet("a request of the worker before us may still reach the BMC", retry_in_s=reply.next_s)
        if reply.permit_s is None and reply.state.ended:
            raise ApiRejected(f"the run is {reply.state}", kind="stale")  # the machine is another one
        self._is_used = True
        self.media = reply.media or self.media
        ends_at = asked_at + min(reply.permit_s or 0.0, PERMIT_S)
        self._latest = Permit(what.value, ends_at, self.context.clock, frozenset(reply.covers))
        return self._latest

    def _wait(self, busy: BmcBusy) -> None:
        """Post what the BMC waits for, and wait with it. Raises ApiRejected: the run was continued without us."""
        if str(busy) not in self._posted:  # a line of the timeline for each reason, not for each try
            self._posted.add(str(busy))
            self.post(EventType.BMC_BUSY, detail=str(busy))
        self.context.sleep(busy.retry_in_s or _BUSY_RETRY_S)

    def post(self, what: EventType, *, detail: str = "", wants_media: bool = False) -> RunEventReply:
        """Post an event of this execution, with the steps before it.

        Args:
            what: the event.
            detail: the line that the run's timeline shows.
            wants_media: the reply has what the machine must boot.

        Raises:
            ApiRejected: it does not apply any more, or another execution has begun.
        """
        post, steps = self.context.callback.post_event, tuple(self._taken)
        # Whatever comes of it: an execution that goes on without them ends, and the next one finds out by itself.
        self._taken.clear()
        token = self._fencing_token
        return post(self._run_id, what, fencing_token=token, detail=detail, before=steps, wants_media=wants_media)


class Power:
    """The only place where a machine is switched, with permits of ``guard``.

    A machine that is on is switched off and then on, never reset: so a worker that takes over can always see which of
    the two has happened, and none happens twice.

    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._bmc = guard.bmc
        self._clock, self._sleep = guard.context.clock, guard.context.sleep

    def switch(self, wanted: PowerState, permit: EventType) -> None:
        """Reach ``wanted``; a machine that is in this state already is not switched.

        Args:
            wanted: the state to reach.
            permit: the kind of permit to ask for.

        Raises:
            ApiRejected: the permit was refused; nothing was switched by this call.
            NotYet, PermitExpired: no permit came, or it could not be used in time.
            BmcUnavailable, BmcRejected: the BMC did not do it.
        """
        # The state is read afresh: a worker that was killed may have switched the machine already.
        if self._bmc.power_state() == wanted:
            return

        def act(given: Permit) -> None:
            (self._bmc.power_on if wanted is PowerState.ON else self._bmc.power_off)(given)

        self._guard.write(permit, act, f"power-{wanted.value.lower()} permitted")
        self._await(wanted)

    def _await(self, wanted: PowerState) -> None:
        """A BMC may accept and be slow, or accept and do nothing: only the state that it shows counts."""
        deadline = self._clock() + self._bmc.power_settle_s
        while self._bmc.power_state() != wanted:
            if self._clock() > deadline:
                raise BmcUnavailable(f"the BMC accepted power {wanted} but the machine is not {wanted}")
            self._sleep(_POWER_POLL_S)
