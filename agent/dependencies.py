"""``python3 -m agent.dependencies``: the files of the standard library that the image must hold, one a line.

What is imported as the program runs is named here; a test compares it with a real run.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterator

import agent

# Of the standard library, imported inside functions: by socket and ssl for host names. A module that is missing here
# would be missing in the image, and the agent would end where it needs it.
_LATE = ("encodings.idna", "stringprep", "unicodedata", "encodings.ascii", "encodings.latin_1", "encodings.utf_8")


def modules() -> list[str]:
    """The names of all modules of the standard library that the agent uses, built-in ones too."""
    ours = [found.name for found in pkgutil.walk_packages(agent.__path__, "agent.")]
    for name in (*ours, *_LATE):
        if name != "agent.__main__":
            importlib.import_module(name)
    return sorted(name for name in sys.modules if name.partition(".")[0] not in ("agent", "__main__"))


def files() -> Iterator[str]:
    """The files of those that have one."""
    for name in modules():
        path = getattr(sys.modules[name], "__file__", None)
        if path is not None:
            yield path


if __name__ == "__main__":
    sys.stdout.write("".join(f"{path}\n" for path in files()))
