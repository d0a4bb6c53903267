"""What a simulated BMC does differently from the schema's ideal: one field for each quirk of a real family."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Answer = tuple[int, dict[str, str], Any]


def refusal(status: int, message_id: str, text: str = "", **more: Any) -> Answer:
    """An error as DSP0266 s.8.6 has it."""
    info = {"MessageId": f"Base.1.8.{message_id}", "Message": text or f"This BMC says {message_id}."} | more
    error = {
        "code": "Base.1.8.GeneralError",
        "message": "A general error has occurred.",
        "@Message.ExtendedInfo": [info],
    }
    return status, {}, {"error": error}


@dataclass(frozen=True)
class Behaviour:
    """Times are counted in requests, not in seconds: nothing here depends on how fast the tests run.

    Args:
        boots_from: the override targets with which this firmware boots the virtual disc.
        bootable_slots: the ids of the slots that it boots from; empty: any.
        takes_boot_at: "system", or "settings" where the live resource changes at the next boot only, or
            the path of Dell's attributes.
        shows_boot_live: whether the system itself shows an override that was set in the settings object.
        resets_mode: falls back to Legacy when a PATCH leaves the mode out.
        needs_etag: refuses a PATCH without the right If-Match; "strong": shows a weak one and wants the strong.
        insert_takes: the parameters that an insert may carry; None: any.
        insert_needs: the parameters without which it refuses.
        insert_answer: status of an accepted insert.
        insert_task: the state and message that a 202's task ends with; None: no task.
        mounts_after: reads of a slot until an accepted image shows.
        ejects_after: reads of a slot until an accepted eject shows.
        keeps_name: shows the image's name after the eject.
        slot_refuses: by slot id: what an insert gets.
        first_refusals: by method and end of path: what the first so many requests get.
        in_post: refuses the override while the host is on.
        on_refused_after_off: so often a 409 for On after the machine was switched off.
        transition_reads: reads of the system that show PoweringOn after an On.
        sessions: "yes", "no", "limit" (the limit is reached).
        drops_reads: closes the connection instead of answering every n-th GET; 0: never.
    """

    boots_from: frozenset[str] = frozenset({"Cd"})
    bootable_slots: frozenset[str] = frozenset()
    takes_boot_at: str = "system"
    shows_boot_live: bool = False
    resets_mode: bool = False
    needs_etag: str = ""
    insert_takes: frozenset[str] | None = None
    insert_needs: frozenset[str] = frozenset()
    insert_answer: int = 204
    insert_task: tuple[str, str] | None = None
    mounts_after: int = 0
    ejects_after: int = 0
    eject_needs_body: bool = False
    keeps_name: bool = False
    slot_refuses: Mapping[str, Answer] = field(default_factory=dict)
    first_refusals: Mapping[tuple[str, str], tuple[int, Answer]] = field(default_factory=dict)
    in_post: Answer | None = None
    on_refused_after_off: int = 0
    transition_reads: int = 0
    sessions: str = "yes"
    drops_reads: int = 0
