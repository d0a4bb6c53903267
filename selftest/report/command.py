"""The command that runs this self-test again, with the settings that it was run with."""

import shlex
from pathlib import Path

from selftest.target_installation import TargetInstallation

_DEFAULT_FILES = (Path(".env"), Path("redis/worker.env"))  # those of `bringup init` and `bringup redis-conf`


def selftest_command(target: TargetInstallation, options: str = "") -> str:
    """The command line. Settings from the environment alone are named as the files that our commands write."""
    files = target.env_files or _DEFAULT_FILES
    variable = "" if files == (Path(".env"),) else f"BRINGUP_ENV_FILE={shlex.quote(':'.join(map(str, files)))} "
    return f"{variable}bringup selftest {options}".strip()
