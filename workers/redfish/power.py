"""The power of one system: as its BMC reports it, and switched.

Source: Redfish schema ComputerSystem (PowerState, Reset), Resource (PowerState).
"""

from bringup.errors import BmcRejected, BmcUnavailable
from bringup.model import FailureReason
from workers.redfish.connection import RedfishConnection
from workers.redfish.refusal import Refusal
from workers.redfish.resource import Action, Resource
from workers.redfish.tasks import follow

ON, OFF = "On", "Off"
# An iLO 5 shows PoweringOn for half a minute and refuses a second On meanwhile: the machine is on its way.
# PoweringOff and Paused draw power still.
_COUNTS_AS = {"poweringon": ON, "poweringoff": ON, "paused": ON, "on": ON, "off": OFF}
_WAYS = {ON: ("On", "ForceOn"), OFF: ("ForceOff",)}


def power_state(connection: RedfishConnection, system_path: str) -> str:
    """On or Off, asked now. Raises BmcUnavailable when the BMC does not know."""
    shown = connection.get(system_path).text("PowerState")
    if state := _COUNTS_AS.get(shown.casefold()):
        return state
    raise BmcUnavailable(f"the BMC at {connection.base} does not know whether the machine is on: {shown or 'no state'}")


def switch(connection: RedfishConnection, system: Resource, wanted: str, settle_s: float) -> None:
    """Ask for On or Off, once. Only the state that is read later says whether it was done.

    Args:
        settle_s: how long a task that the BMC makes of it is followed.

    Raises:
        Refusal: and the machine is not as wanted.
    """
    action = system.action("ComputerSystem.Reset")
    if action is None:
        raise BmcRejected("the BMC has no way to switch this system", reason=FailureReason.NO_BOOT)
    try:
        answer = connection.post(action.target, {"ResetType": _way(connection, action, wanted)})
        follow(connection, answer, settle_s)
    except Refusal:
        if power_state(connection, system.path) != wanted:
            raise


def _way(connection: RedfishConnection, action: Action, wanted: str) -> str:
    allowed = action.allowable("ResetType") or _in_info(connection, action)
    return next((way for way in _WAYS[wanted] if way in allowed), _WAYS[wanted][0])


def _in_info(connection: RedfishConnection, action: Action) -> tuple[str, ...]:
    info = connection.find(action.info_path)
    listed = info.value("Parameters") if info else None
    for parameter in listed if isinstance(listed, list) else ():
        if isinstance(parameter, dict) and parameter.get("Name") == "ResetType":
            return Resource("", parameter).words("AllowableValues")
    return ()
