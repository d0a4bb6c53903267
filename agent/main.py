"""What the agent does, in its order."""

from pathlib import Path

from agent import __version__, clock, dhcp, first_contact, inspection, kernel_log, links, parameters, report, tls
from agent.api import Api
from agent.clock import HardwareClock
from agent.heartbeat import Heartbeats
from agent.kernel import Kernel
from agent.log import Journal
from agent.machine import Machine
from agent.neighbours import Neighbours
from agent.over import RunOver
from agent.parameters import BadParameters, Parameters
from agent.system import Effects


def run(root: Path, effects: Effects, kernel: Kernel) -> None:
    """Serve the run that this image carries, to its end.

    Args:
        root: where /proc, /sys, /dev and /etc are.
    """
    hardware_clock = HardwareClock(effects.now(), effects.monotonic())
    machine = Machine(root, effects, kernel, Journal(effects.write_line, effects.monotonic))
    machine.journal.say(f"agent {__version__}")
    try:
        given = parameters.read(root)
    except BadParameters as problem:
        machine.journal.say(str(problem))
        effects.halt()
        return
    machine.journal.hide(given.token)
    machine.journal.say(_end_of(given, machine, hardware_clock))
    _obey(given, machine)


def _end_of(given: Parameters, machine: Machine, hardware_clock: HardwareClock) -> str:
    try:
        return f"the report is delivered; the run is {_serve(given, machine, hardware_clock)}"
    except RunOver as end:
        return f"this run is over: {end}"
    except BadParameters as problem:
        return f"this image cannot serve its run: {problem}"
    except Exception as bug:  # noqa: BLE001 - a machine nobody sits at: say it, and obey
        return f"the agent failed ({type(bug).__name__}: {bug}): this is a defect of the agent, please report it"


def _obey(given: Parameters, machine: Machine) -> None:
    if given.after == "poweroff":
        machine.journal.say("switching this machine off")
        machine.effects.power_off()
    else:
        machine.journal.say("waiting; this machine may be switched off")
    machine.effects.halt()


def _serve(given: Parameters, machine: Machine, hardware_clock: HardwareClock) -> str:
    """Everything from the clock to the report. Returns the run's state; raises RunOver."""
    machine.journal.say(f"run {given.run_id}, reporting to {given.callback_url}")
    api = Api(given, tls.verifying(given) if given.callback_url.startswith("https:") else None, given.token)
    _set_clock(given, machine)
    neighbours = _network(given, machine)
    heartbeats = Heartbeats(api, machine)
    first = first_contact.reach(api, heartbeats, given, machine)
    rtc_offset_s = hardware_clock.offset(first.date, machine.effects.monotonic())
    heartbeats.start(first)
    try:
        message = report.compose(machine.boot_id, rtc_offset_s, *inspection.examine(machine, heartbeats, neighbours))
        return _hand_over(api, message, heartbeats, machine)
    finally:
        heartbeats.stop()


def _set_clock(given: Parameters, machine: Machine) -> None:
    before = machine.effects.now()
    try:
        was_set = clock.set_forward(given.epoch, before, machine.effects.set_clock)
    except OSError as error:
        machine.journal.say(f"the clock is {given.epoch - before:.0f} s behind and cannot be set ({error.strerror})")
        return
    if was_set:
        machine.journal.say(f"the clock was {given.epoch - before:.0f} s before this image was made: set forward")


def _network(given: Parameters, machine: Machine) -> Neighbours:
    """An address; and ears on every port, also on those whose driver came while the address was waited for."""
    root, effects = machine.root, machine.effects
    links.bring_up(root, effects)
    neighbours = Neighbours(given.lldp_wait_s, effects.monotonic)
    neighbours.listen(links.ports(root))
    dhcp.obtain(machine)
    links.switch_on(root, effects)
    neighbours.listen(links.ports(root))
    return neighbours


def _hand_over(api: Api, message: dict[str, object], heartbeats: Heartbeats, machine: Machine) -> str:
    heartbeats.enter("report")
    report.upload(api, "dmesg.log", kernel_log.text(machine.root), machine.journal)
    report.upload(api, "agent.log", machine.journal.log(), machine.journal)
    return report.deliver(api, message, heartbeats, machine)
