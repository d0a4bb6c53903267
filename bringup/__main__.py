"""``python -m bringup`` is the same as the ``bringup`` command."""

import runpy

if __name__ == "__main__":
    # By its name: the kernel imports nothing of the shell that is built on it.
    runpy.run_module("bringup_cli", run_name="__main__", alter_sys=True)
