"""What the image must hold of Python: the list of `agent.dependencies` is all that a whole run imports."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.agent.site import Booted, Ca, served
from tests.integration.api.conftest import Api

PROJECT = Path(__file__).parents[3]
RUN = """
import itertools
import sys
from pathlib import Path
from agent import main
from agent.system import CommandResult, real_system
from agent.kernel import real_kernel

nothing = lambda *_: None
ticks = itertools.count()
system = real_system()._replace(
    monotonic=lambda: float(next(ticks)), execute=lambda *_: CommandResult(0, ""),
    set_clock=nothing, pause=nothing, power_off=nothing, halt=nothing
)
main.run(Path(sys.argv[1]), system, real_kernel())
print(*sorted(sys.modules))
"""


def python(*arguments: str) -> str:
    """The output of the interpreter without site-packages, as in the image."""
    command = [sys.executable, "-S", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=180).stdout


@pytest.mark.parametrize("trusts", [True, False])
def test_a_whole_run_imports_nothing_that_is_not_on_the_list(api: Api, tmp_path: Path, *, trusts: bool) -> None:
    ca = Ca()
    with served(api.client.application, tmp_path, ca) as listener:
        machine = Booted(
            tmp_path / "machine",
            callback_url=listener.url,
            ca_pem=ca.pem if trusts else Ca().pem,
            token=api.booted(),
        )
        machine.tree.put("etc/bringup/run.json", json.dumps(machine.given))
        *shown, loaded = python("-c", RUN, str(machine.tree.root)).splitlines()
    assert f"the run is {'failed' if trusts else ''}" in shown[-2] or "tls_trust" in shown[-2]
    listed = python("-c", "from agent.dependencies import modules; print(*modules())").split()
    assert {name for name in loaded.split() if not name.startswith(("agent", "__main__"))} <= set(listed)


def test_the_list_names_files_that_are_there() -> None:
    files = [Path(line) for line in python("-m", "agent.dependencies").splitlines()]
    assert len(files) > 50
    assert all(path.is_file() for path in files)
    assert not any("site-packages" in path.parts for path in files)
