"""``python3 -m agent``: run by the init of the validation image."""

from pathlib import Path

from agent.effects import real_effects
from agent.kernel import real_kernel
from agent.mission import run

if __name__ == "__main__":
    run(Path("/"), real_effects(), real_kernel())
