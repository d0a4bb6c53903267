r"""What ISC dhcpd's lease files consist of: statements of words, some with a body. Source: dhcpd.leases(5)."""

import re
from dataclasses import dataclass, field

from bringup.errors import LeaseFormatError

# A string never holds a bare quote; a comment runs to the end of its line ("epoch 1795427253; # Mon Nov 23 ...").
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|#[^\n]*|[{};]|[^\s{};"#]+', re.DOTALL)
# What is not printable is written as three octal digits, quote and backslash behind a backslash.
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
# A lease as dhcpd writes nearly all: a statement on each line, without a block or a comment.
_PLAIN = re.compile(rb'lease (?P<ip>[0-9.]{7,15}) \{\n(?:  [^\n;{}"#\\]++(?:"(?:[^"\\\n]|\\[^\n])*+")?+;\n)*+\}')
# The statements of such a lease that count: the others hold no words that `_note` reads.
_LINE = re.compile(
    rb'^  ((?:starts|ends|cltt|binding|hardware|abandoned|uid|client-hostname|set|option)\b[^\n;"]*+)'
    rb'("(?:[^"\\\n]|\\[^\n])*+")?+;$',
    re.MULTILINE,
)
_ENDINGS = frozenset({b"{", b"}", b";"})


@dataclass(slots=True)
class Statement:
    """``words ;`` or ``words { body }``."""

    words: list[bytes]
    body: "list[Statement]" = field(default_factory=list)


def statements(text: bytes) -> list[Statement]:
    """The statements of ``text`` in their order.

    Raises:
        LeaseFormatError: its braces do not match.
    """
    stack: list[list[Statement]] = [[]]
    words: list[bytes] = []
    for token in _TOKEN.findall(text):
        if token not in _ENDINGS:
            words += [] if token.startswith(b"#") else [token]
            continue
        if words or token == b"{":
            stack[-1].append(Statement(words))
            words = []
        _nest(stack, token)
    if len(stack) > 1:
        raise LeaseFormatError("a brace that is never closed")
    return stack[0]


def _nest(stack: list[list[Statement]], token: bytes) -> None:
    if token == b"{":
        stack.append(stack[-1][-1].body)
    elif token == b"}":
        stack.pop()
    if not stack:
        raise LeaseFormatError("a brace too many")


def unquoted(word: bytes) -> bytes:
    r"""The bytes of a string; what is no octal escape of an octet (``\777``) stays as it is written."""
    return _ESCAPE.sub(_octet, word[1:-1]) if word.startswith(b'"') else word


def _octet(escape: re.Match[bytes]) -> bytes:
    if not escape[1].isdigit():
        return escape[1]
    if escape[1] in {b"8", b"9"} or int(escape[1], 8) > 0xFF:
        return escape[0]
    return bytes([int(escape[1], 8)])


def plain(record: bytes) -> tuple[bytes, list[Statement]] | None:
    """Address and statements of a lease that is written as nearly all are, several times as fast as by `statements`.

    None of one that is not. Statements that no reader of leases needs are left out.
    """
    found = _PLAIN.fullmatch(record)
    if found is None:
        return None
    return found["ip"], [
        Statement([*words.split(), *([text] if text else [])]) for words, text in _LINE.findall(record)
    ]
