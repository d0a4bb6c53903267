"""The wheel: what is installed works from any directory, and holds no secret."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bringup import __version__

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds nothing but what the wheel holds."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = shutil.which("uv") or str(ROOT / ".uv/bin/uv")
    subprocess.run([uv, "build", "--wheel", "--out-dir", folder, ROOT], check=True, timeout=600, capture_output=True)
    (wheel,) = folder.glob("bringup-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def bringup(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, with the wheel before the checkout on the path and everything else from this venv."""
    code = (
        f"import sys; sys.path[:] = [{str(installed)!r}] + [p for p in sys.path if p not in ('', {str(ROOT)!r})]\n"
        "import bringup; assert bringup.__file__.startswith(sys.path[0]), bringup.__file__\n"
        "from bringup_cli import main; sys.argv[0] = 'bringup'; main()"
    )
    env = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG"}}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=180, check=False)


def test_the_wheel_holds_all_parts_and_no_key_certificate_or_settings(installed: Path) -> None:
    files = [path.relative_to(installed) for path in installed.rglob("*") if path.is_file()]
    assert {"bringup", "api", "workers", "dhcp_tailer", "pki"} <= {path.parts[0] for path in files}
    assert not [path for path in files if path.suffix in {".pem", ".key", ".crt"} or path.name.startswith(".env")]
    assert not [path for path in files if path.parts[0] == "tests"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--version",), __version__),
        (("config",), "REDIS_USE_TLS"),
        (("demo", "--help"), "SIMULATED"),
        (("work", "--help"), "jobs"),
        (("api", "--help"), "API"),
        (("tail", "--help"), ""),
    ],
)
def test_commands_work_from_any_directory(
    installed: Path, tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    done = bringup(installed, tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_data_files_are_in_the_wheel(installed: Path) -> None:
    code = "from bringup_cli.demo.scenario import dhcp_log; print(len(dhcp_log()))"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=installed, env=env, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10
