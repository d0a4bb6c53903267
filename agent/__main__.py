"""``python3 -m agent``: run by the init of the validation image."""

from pathlib import Path

from agent.kernel import real_kernel
from agent.main import run
from agent.system import real_system

if __name__ == "__main__":
    run(Path("/"), real_system(), real_kernel())
