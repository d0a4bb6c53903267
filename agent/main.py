"""What the agent does, in its order: parameters, clock, network, first contact, inspection, report."""

from collections.abc import Callable
from pathlib import Path

from agent import __version__, api, clock, error_messages, heartbeat, inspection, lldp, log, network, report, tls
from agent.kernel import Kernel
from agent.parameters import BadParameters, Parameters, read_parameters
from agent.system import LocalSystem, System


def run(root: Path, system: System, kernel: Kernel) -> None:
    """Serve the run that this image carries, to its end.

    Args:
        root: the folder that holds /proc, /sys, /dev and /etc.
        system: the effects on the machine.
        kernel: what only its kernel knows.
    """
    hardware_clock = clock.HardwareClock(system.now(), system.monotonic())
    machine = LocalSystem(root, system, kernel, log.Log(system.write_line, system.monotonic))
    machine.log.show(f"agent {__version__}")
    try:
        params = read_parameters(root)
    except BadParameters as problem:
        machine.log.show(str(problem))
        system.halt()
        return
    machine.log.redact(params.token)
    machine.log.show(_end_of(params, machine, hardware_clock))
    _finish(params, machine)


def _end_of(params: Parameters, machine: LocalSystem, hardware_clock: clock.HardwareClock) -> str:
    try:
        return f"the report is delivered; the run is {_serve(params, machine, hardware_clock)}"
    except api.RunOver as end:
        return f"this run is over: {end}"
    except BadParameters as problem:
        return f"this image cannot serve its run: {problem}"
    except Exception as bug:  # noqa: BLE001 - nobody is at this machine: log it, and finish as for any other end
        return f"the agent failed ({type(bug).__name__}: {bug}): this is a defect of the agent, please report it"


def _finish(params: Parameters, machine: LocalSystem) -> None:
    """Switch the machine off or wait, as the parameters ask."""
    if params.after == "poweroff":
        machine.log.show("switching this machine off")
        machine.system.power_off()
    else:
        machine.log.show("waiting; this machine may be switched off")
    machine.system.halt()


def _serve(params: Parameters, machine: LocalSystem, hardware_clock: clock.HardwareClock) -> str:
    """Everything from the clock to the report. Returns the run's state; raises RunOver and BadParameters."""
    machine.log.show(f"run {params.run_id}, reporting to {' or '.join(params.callback_urls)}")
    context = tls.verifying_context(params) if params.uses_tls else None
    callback = api.Api(params, context, params.token, _log_of(machine, params))
    clock.set_forward(params.epoch, machine)
    neighbours = _connect(params, machine)
    heartbeats = heartbeat.Heartbeats(callback, machine)
    first = heartbeat.reach(callback, heartbeats, params, machine)
    rtc_offset_s = hardware_clock.offset(first.date, machine.system.monotonic())
    heartbeats.start(first)
    try:
        message = report.compose(machine.boot_id, rtc_offset_s, *inspection.inspect(machine, heartbeats, neighbours))
        heartbeats.enter("report")
        report.upload_logs(callback, machine)
        return report.deliver(callback, message, heartbeats, machine)
    finally:
        heartbeats.stop()


def _log_of(machine: LocalSystem, params: Parameters) -> Callable[[str, Exception], None]:
    """Shows why one of several addresses of the API was not used."""

    def show(address: str, error: Exception) -> None:
        text = error_messages.describe_error(error, address, machine.system.now(), uses_tls=params.uses_tls)
        machine.log.show(f"trying another address of the API: {text}")

    return show


def _connect(params: Parameters, machine: LocalSystem) -> lldp.Neighbours:
    """Obtain an address, and listen on every port, also on those whose driver loaded during the wait for it."""
    network.bring_up(machine.root, machine.system)
    neighbours = lldp.Neighbours(params.lldp_wait_s, machine.system.monotonic)
    neighbours.listen(network.ports(machine.root))
    network.obtain_lease(machine)
    network.switch_on(machine.root, machine.system)
    neighbours.listen(network.ports(machine.root))
    return neighbours
