"""Text that devices and servers chose, made safe to show and to send; and small files of the kernel.

A serial number or a switch's name may hold anything: what is written to a console or into a report passes here.
"""

from pathlib import Path

# Characters of one text in a report: `bringup.wire` refuses more (DeviceText).
MAX_TEXT = 1024


def printable(text: str) -> str:
    """The text with everything but printable characters escaped: it cannot end a line or drive a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text)


def device_text(text: str) -> str:
    """The text as a report may hold it."""
    return printable(text)[:MAX_TEXT]


def read_text(path: Path) -> str:
    """The content of a file of the kernel, without its blanks; "" where it is missing or cannot be read."""
    try:
        return path.read_bytes().decode("utf-8", "replace").strip(" \t\r\n\0")
    except OSError:
        return ""


def read_number(path: Path) -> int | None:
    """The number in a file of the kernel; None where there is none."""
    text = read_text(path)
    try:
        return int(text, 0)
    except ValueError:
        return None


def names(folder: Path) -> list[str]:
    """The names in a folder, in order; none where it is missing or cannot be read."""
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []
