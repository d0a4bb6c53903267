"""What the services are like, and what of it needs a person: the most urgent first, in words. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bringup.wire.message import Readiness
from bringup.wire.operator import QueueList, QueueView, TailerView
from bringup.wire.services import CertificateView, SelfTestView, ServicesView
from console.dots import span
from console.words import Tone

# Seconds for which the first job of a queue may wait before a person should look: jobs are taken within seconds, and
# a boot that waits for a slot is on no queue.
_WAITS_LONG_S = 120.0
# A tailer reports every 10 s; three reports may be lost.
_SILENT_S = 45.0
# Seconds for which a tailer may be behind its file: it reads thousands of lines a second.
_BEHIND_S = 60.0
# The timer runs the self-test daily; two hours for a host that was busy or off.
STALE_AFTER = timedelta(hours=26)
# Days before the end of a certificate. They are renewed at two thirds of their life, so that neither is ever reached
# where renewal works; a week is time enough to repair it by day.
_ENDS_SOON_DAYS, _ENDS_NOW_DAYS = 21, 7
# A host reports its certificates daily: after three days it is off, or does not renew them.
_REPORT_STALE = timedelta(days=3)
_ORDER = (Tone.BAD, Tone.CAUTION)


@dataclass(frozen=True)
class ServiceProblem:
    """Something that needs a person.

    Args:
        what: has happened, in one sentence.
        do: next.
    """

    tone: Tone
    what: str
    do: str = ""


@dataclass(frozen=True)
class Overview:
    """What the API has answered; None: this part could not be read."""

    at: datetime
    ready: Readiness | None
    queues: QueueList | None
    services: ServicesView | None
    selftests: tuple[SelfTestView, ...] | None
    problem: str = ""  # why a part could not be read

    def alarms(self, version: str) -> list[ServiceProblem]:
        """What needs a person, the most urgent first. ``version``: of the console."""
        found = [*self._state(), *self._queue_alarms(), *self._tailer_alarms(), *self._selftest_alarms()]
        found += [*self._certificate_alarms(), *self._version_alarms(version)]
        return sorted(found, key=lambda alarm: _ORDER.index(alarm.tone))

    def versions(self, version: str) -> dict[str, list[str]]:
        """Which services run which version. ``version``: of the console."""
        found: dict[str, list[str]] = {version: ["this console"]}
        if self.services:
            found.setdefault(self.services.version, []).append("API")
        for tailer in self.tailers:
            found.setdefault(tailer.version, []).append(f"tailer of {tailer.host}")
        for one in self.selftests or ():
            found.setdefault(one.version, []).append(f"host {one.host}")
        return found

    @property
    def tailers(self) -> Sequence[TailerView]:
        """Those that have reported in the last week."""
        return (self.queues.tailers or ()) if self.queues else ()

    def days_left(self, certificate: CertificateView) -> int:
        """Whole days until it ends; below 0: it has ended."""
        return (certificate.ends - self.at).days

    def is_stale(self, selftest: SelfTestView) -> bool:
        """Whether the host has posted no result when its timer should have."""
        return self.at - selftest.at > STALE_AFTER

    def _state(self) -> Iterator[ServiceProblem]:
        if self.problem:
            yield ServiceProblem(
                Tone.BAD, f"A part cannot be read: {self.problem}.", "On a host of the API run `bringup selftest`."
            )
        for problem in self.ready.problems if self.ready else ():
            is_withheld = self.ready is not None and problem == self.ready.withheld
            what = f"No machine is touched: {problem}." if is_withheld else f"The API cannot work: {problem}."
            yield ServiceProblem(Tone.BAD, what, "" if is_withheld else "On a host of the API run `bringup selftest`.")

    def _queue_alarms(self) -> Iterator[ServiceProblem]:
        for queue in self.queues.queues if self.queues else ():
            yield from _of_queue(queue)

    def _tailer_alarms(self) -> Iterator[ServiceProblem]:
        if self.queues and self.queues.tailers is not None and not self.queues.tailers:
            yield ServiceProblem(
                Tone.BAD, "No tailer has reported: no lease is read.", "On the host of the DHCP server: `bringup tail`."
            )
        for tailer in self.tailers:
            name = f"The tailer of {tailer.host} ({tailer.path})"
            look = f"On {tailer.host}: `systemctl status 'bringup-tail@*'`."
            if tailer.silent_s > _SILENT_S:
                yield ServiceProblem(
                    Tone.BAD, f"{name} is silent for {span(tailer.silent_s)}: its leases are not read.", look
                )
            elif tailer.problem:
                yield ServiceProblem(Tone.BAD, f"{name} cannot read its file: {tailer.problem}.", look)
            elif tailer.behind_s > _BEHIND_S:
                yield ServiceProblem(
                    Tone.CAUTION, f"{name} is behind for {span(tailer.behind_s)}: leases come late.", look
                )

    def _selftest_alarms(self) -> Iterator[ServiceProblem]:
        for one in self.selftests or ():
            if self.is_stale(one):
                what = f"The self-test of {one.host} is old: {span((self.at - one.at).total_seconds())}."
                yield ServiceProblem(
                    Tone.CAUTION, what, f"On {one.host}: `systemctl list-timers 'bringup-selftest@*'`."
                )
            elif not one.passed:
                checks = f" ({', '.join(one.failed)})" if one.failed else ""
                yield ServiceProblem(
                    Tone.BAD, f"The self-test of {one.host} has failed{checks}.", f"On {one.host}: `bringup selftest`."
                )

    def _certificate_alarms(self) -> Iterator[ServiceProblem]:
        for one in self.services.certificates if self.services else ():
            days = self.days_left(one)
            if days < _ENDS_SOON_DAYS:
                ends = f"ends in {days} days" if days > 0 else "ends today" if days == 0 else "has ended"
                tone = Tone.BAD if days < _ENDS_NOW_DAYS else Tone.CAUTION
                stale = " It has not reported since." if self.at - one.reported_at > _REPORT_STALE else ""
                look = f"On {one.host}: `systemctl status bringup-renew`; on the host of the CA: `bringup site status`."
                yield ServiceProblem(tone, f"The certificate {one.identity} of {one.host} {ends}.{stale}", look)

    def _version_alarms(self, version: str) -> Iterator[ServiceProblem]:
        found = self.versions(version)
        if len(found) > 1:
            listed = "; ".join(f"{number}: {', '.join(who)}" for number, who in sorted(found.items()))
            yield ServiceProblem(Tone.CAUTION, f"Several versions run at once: {listed}.", "Finish the update.")


def _of_queue(queue: QueueView) -> Iterator[ServiceProblem]:
    waits = f", the first for {span(queue.oldest_s)}" if queue.oldest_s is not None else ""
    if queue.workers == 0:
        many = "no job waits" if not queue.queued else f"{_jobs(queue.queued, 'waits', 'wait')}{waits}"
        tone = Tone.BAD if queue.queued else Tone.CAUTION
        yield ServiceProblem(
            tone,
            f"No worker serves the queue {queue.name}: {many}.",
            "On a worker's host: `systemctl status 'bringup-work@*'`.",
        )
    elif queue.oldest_s is not None and queue.oldest_s > _WAITS_LONG_S:
        what = f"The queue {queue.name} is behind: {_jobs(queue.queued, 'waits', 'wait')}{waits}."
        yield ServiceProblem(Tone.CAUTION, what, "Look at the log of the workers, or start more of them.")
    if queue.failed:
        what = f"{_jobs(queue.failed, 'has failed', 'have failed')} on the queue {queue.name}."
        yield ServiceProblem(Tone.CAUTION, what, "The log of `bringup work` has why. They are forgotten after 7 days.")
    if queue.quarantined:
        what = f"{_jobs(queue.quarantined, 'is', 'are')} in quarantine, of the queue {queue.name}."
        yield ServiceProblem(Tone.CAUTION, what, "Read why below; then put them back, or delete them.")


def _jobs(number: int, one: str, many: str) -> str:
    """So many jobs, with the verb that agrees."""
    return f"1 job {one}" if number == 1 else f"{number} jobs {many}"
