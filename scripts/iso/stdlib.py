"""Puts Python and the agent into the image, compiled: the machine has no need of their sources."""

import py_compile
import shutil
from pathlib import Path

from scripts.iso.debian import BuildError, Packages

LIBRARY = Path("usr/lib/python3.11")
AGENT = Path("usr/lib/bringup/agent")

# Large, and of no use to a program without screen, compiler or database. All else of the standard library is in.
LEFT_OUT = {
    "__pycache__", "asyncio", "concurrent", "curses", "dbm", "distutils", "ensurepip", "idlelib", "lib2to3",
    "multiprocessing", "pydoc.py", "pydoc_data", "sqlite3", "test", "tkinter", "turtle.py", "turtledemo", "unittest",
    "venv", "wsgiref", "xml", "xmlrpc",
    "sitecustomize.py",
}  # fmt: skip
EXTENSIONS = {
    "_bz2", "_contextvars", "_ctypes", "_hashlib", "_json", "_lzma", "_posixshmem", "_queue", "_ssl", "_typing",
    "mmap", "resource", "termios",
}  # fmt: skip


def copy_python(packages: Packages, target: Path) -> None:
    """Copies the interpreter and the standard library."""
    program = target / "usr/bin/python3"
    program.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(packages.root / "usr/bin/python3.11", program)
    program.chmod(0o755)
    compile_tree(packages.root / LIBRARY, target / LIBRARY, LEFT_OUT | {"lib-dynload"})
    for path in sorted((packages.root / LIBRARY / "lib-dynload").iterdir()):
        if path.name.split(".")[0] in EXTENSIONS:
            place = target / LIBRARY / "lib-dynload" / path.name
            place.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, place)


def copy_agent(source: Path, target: Path) -> None:
    """Copies the agent's package.

    Raises:
        BuildError: the folder holds no program.
    """
    if not (source / "__main__.py").is_file():
        raise BuildError(f"{source} holds no __main__.py: it is not the agent")
    compile_tree(source, target / AGENT, {"__pycache__"})


def compile_tree(source: Path, target: Path, left_out: set[str]) -> None:
    """Compiles every module to ``NAME.pyc`` that depends on its text alone: not on its date, not on its place.

    Args:
        source: the folder of the sources.
        target: the folder of the compiled modules.
        left_out: names of files and folders that are not copied.

    Raises:
        BuildError: a module does not compile.
    """
    for path in sorted(source.rglob("*.py")):
        name = path.relative_to(source)
        if left_out.isdisjoint(name.parts):
            place = (target / name).with_suffix(".pyc")
            place.parent.mkdir(parents=True, exist_ok=True)
            _compile(path, place, str(name))


def _compile(source: Path, place: Path, name: str) -> None:
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    try:
        py_compile.compile(str(source), str(place), dfile=name, doraise=True, optimize=0, invalidation_mode=mode)
    except py_compile.PyCompileError as error:
        raise BuildError(f"{source} does not compile with the image's Python: {error.msg.strip()}") from None
