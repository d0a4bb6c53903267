"""How many files a reader opens to follow one thing through the project: those in which a function is called."""

from pathlib import Path
from types import CodeType, FrameType

PROJECT = Path(__file__).parents[1]
ROOMS = {path.name for path in PROJECT.iterdir() if (path / "__init__.py").exists()} - {"tests"}


class Entered:
    """A profile function that notes these files, in order.

    Args:
        first: from the call of this function on.
        last: until this one returns.
    """

    def __init__(self, first: CodeType, last: CodeType) -> None:
        self.files: list[str] = []
        self._first, self._last = first, last
        self._counting = False

    def __call__(self, frame: FrameType, event: str, _arg: object) -> None:
        if event == "call" and frame.f_code is self._first:
            self._counting = True
        if self._counting and event == "call":
            self._note(frame)
        if event == "return" and frame.f_code is self._last:
            self._counting = False

    def _note(self, frame: FrameType) -> None:
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(PROJECT) and (name := str(file.relative_to(PROJECT))).split("/")[0] in ROOMS:
            self.files += [] if name in self.files else [name]
