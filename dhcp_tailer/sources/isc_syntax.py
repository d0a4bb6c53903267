r"""What ISC dhcpd's lease files consist of: statements of words, some with a body. Source: dhcpd.leases(5)."""

import re
from dataclasses import dataclass, field
from types import MappingProxyType

from bringup.errors import LeaseFormatError

# A string never holds a bare quote; a comment runs to the end of its line ("epoch 1795427253; # Mon Nov 23 ...").
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|#[^\n]*|[{};]|[^\s{};"#]+', re.DOTALL)
# What is not printable is written as three octal digits, quote and backslash behind a backslash.
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_TEXT = rb'"(?:[^"\\\n]|\\[^\n])*+"'
_WORDS = rb'[^\n;{}"#\\]+'
# Statements that are not read.
_OTHERS = (
    rb"(?:  (?!(?:starts|ends|cltt|binding|hardware|abandoned|uid|client-hostname|set +vendor-cl|option +agent.circ))"
    rb"[a-z]" + _WORDS + rb"+(?:" + _TEXT + rb")?+;\n)*+"
)


def _one(statement: bytes, group: bytes, form: bytes) -> bytes:
    """A pattern of a statement that may be missing."""
    return rb"(?:  " + statement + rb" (?P<" + group + rb">" + form + rb");\n)?"


# A lease as dhcpd writes nearly all: each statement on a line, without a block or a comment. Those that are read come
# once, in its order and usual form; any others may be between. Source: write_lease() in dhcpd's server/db.c.
_PLAIN = re.compile(
    rb"lease (?P<ip>[0-9.]{7,15}) \{\n"
    + _one(rb"starts", rb"starts", _WORDS)
    + _one(rb"ends", rb"ends", _WORDS)
    + _OTHERS
    + _one(rb"cltt", rb"cltt", _WORDS)
    + _one(rb"binding state", rb"state", rb"[a-z]+")
    + _OTHERS
    + _one(rb"hardware ethernet", rb"mac", rb"[0-9a-fA-F:]+")
    + _one(rb"uid", rb"uid", _TEXT)
    + _OTHERS
    + _one(rb"set vendor-class(?:-identifier)? =", rb"vendor_class", _TEXT)
    + _OTHERS
    + _one(rb"option agent\.circuit-id", rb"circuit_id", _TEXT)
    + _OTHERS
    + _one(rb"client-hostname", rb"hostname", _TEXT)
    + _OTHERS
    + rb"\}"
)
# As dhcpd writes octets: three digits. The other forms that it reads are in `_octet`.
_OCTETS = MappingProxyType({b"%03o" % number: bytes([number]) for number in range(256)})
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
    text = word[1:-1] if word.startswith(b'"') else word
    return _ESCAPE.sub(_octet, text) if text is not word and b"\\" in text else text


def _octet(escape: re.Match[bytes]) -> bytes:
    if octet := _OCTETS.get(escape[1]):
        return octet
    if not escape[1].isdigit():
        return escape[1]
    if escape[1] in {b"8", b"9"} or int(escape[1], 8) > 0xFF:
        return escape[0]
    return bytes([int(escape[1], 8)])


def plain(record: bytes) -> re.Match[bytes] | None:
    """What counts of a lease that is written as nearly all are, several times as fast as by `statements`.

    None of one that is not. The groups: ip, starts, ends, cltt, state, mac, uid, vendor_class, circuit_id, hostname.
    """
    return _PLAIN.fullmatch(record)
