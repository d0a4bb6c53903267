"""The machine that the agent is on, as its parts pass it around."""

from pathlib import Path
from typing import NamedTuple

from agent.kernel import Kernel
from agent.log import Journal
from agent.system import Effects
from agent.text import device_text, read_text


class Machine(NamedTuple):
    """``root`` is where /proc, /sys, /dev and /etc are."""

    root: Path
    effects: Effects
    kernel: Kernel
    journal: Journal

    @property
    def boot_id(self) -> str:
        """A name for this boot, made by the kernel. Source: random(4)."""
        return device_text(read_text(self.root / "proc/sys/kernel/random/boot_id"))[:64] or "unknown"
