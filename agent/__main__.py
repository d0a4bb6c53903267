"""``python3 -m agent``: run by the init of the validation image."""

from pathlib import Path

from agent import kernel, main, system

if __name__ == "__main__":
    main.run(Path("/"), system.real_system(), kernel.real_kernel())
