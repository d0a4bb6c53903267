"""Text that others chose, made safe to show."""

import re

# 32 random bytes make 43 characters; a BMC may escape the slashes when it shows the address, or asks for it:
# twice, too, or with something between them, for which there are 8 characters.
_IMAGE_SECRET = re.compile(
    r"""(images(?:[\\/]|%(?:25)*2f)*.{0,8}?)((?:(?!%(?:25)*2f)[^\\/\s"']){32,})""", re.IGNORECASE | re.ASCII | re.DOTALL
)


def printable(text: str) -> str:
    """The text with everything but printable characters escaped: it cannot end a line or drive a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text)


def counted(number: int, noun: str) -> str:
    """``1 file``, ``2 files``: a number with a noun whose plural ends in s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def without_image_secret(text: str) -> str:
    """The text with the secret of an image's address struck out: it gives a reader of the log a run's token."""
    # Every line of the log comes here, and few have an address of an image: to search all would take ten times as long.
    if "images" not in text.lower():
        return text
    return _IMAGE_SECRET.sub(r"\1***", text)


def image_secret(text: str) -> str | None:
    """The secret of the image's address in the text; None: there is no such address."""
    found = _IMAGE_SECRET.search(text)
    return found[2] if found else None
