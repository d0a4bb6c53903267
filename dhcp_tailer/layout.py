"""How records lie in a file and in the files beside it."""

from collections.abc import Callable
from dataclasses import dataclass

from dhcp_tailer.blocks import Blocks
from dhcp_tailer.lines import Lines
from dhcp_tailer.records import Splitter


@dataclass(frozen=True)
class Layout:
    """What a follower must know of a kind of file.

    Args:
        splitter: makes what cuts it into records, from an offset (bytes) on.
        ending: the bytes at the end of a whole record, by which the last one is found.
        earlier: what the names of files end in that hold records from before our file, oldest first.
        beside: what the names of files end in that the server puts aside when it writes its file anew.
        remembers: its records tell the state of leases again and again; knowing the old ones matters. Its files begin
            alike, and each tells all that matters: a new one is read whole, and never taken for a copy of the old.
    """

    splitter: Callable[[int], Splitter]
    ending: bytes
    earlier: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    remembers: bool = False


LINES = Layout(Lines, b"\n")
BLOCKS = Layout(Blocks, b"\n}\n", beside=("~",), remembers=True)
# What the LFC leaves: kea-lfc merges .2 and .1 into .completed, and that becomes .2. Source: Kea ARM, s. 8.2.2.
_LFC = (".2", ".1", ".completed")
KEA = Layout(Lines, b"\n", earlier=_LFC, beside=_LFC, remembers=True)
