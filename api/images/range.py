"""Which bytes a Range header asks for. Source: RFC 9110 s.14.

werkzeug's own answers 416 to a suffix longer than the file, to several ranges and to units that it does not know;
the standard has the whole file for the first, and lets a server ignore the others.
"""

import re

_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.ASCII | re.IGNORECASE)


def wanted(header: str, size: int) -> range | None:
    """The bytes that are asked for; empty: there are none such (416); None: the header is to be ignored.

    Args:
        header: the value of Range.
        size: of the whole file, in bytes.
    """
    match = _ONE_RANGE.fullmatch(header)
    first, last = match.groups() if match else ("", "")
    if first and last and int(last) < int(first):
        return None  # s.14.1.1: invalid
    if first:
        return range(min(int(first), size), min(int(last) + 1 if last else size, size))
    return range(max(0, size - int(last)), size) if last else None
