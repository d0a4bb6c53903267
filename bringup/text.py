"""Text that others chose, made safe to show."""


def printable(text: str) -> str:
    """The text with everything but printable characters escaped: it cannot end a line or drive a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text)
