"""What a rule can hold of the project's language: one word for one thing, and docstrings that say what a call needs.

The words are those that a reader of DHCP, Redfish, X.509 and Redis would not guess, each with the word to use.
"""

import ast
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from io import StringIO
from pathlib import Path

import pytest

from tests.unit.trees import source_of, tree_of

ROOT = Path(__file__).parents[2]
ROOMS = (
    "bringup",
    "bringup_cli",
    "selftest",
    "api",
    "console",
    "workers",
    "dhcp_tailer",
    "pki",
    "agent",
    "scripts/iso",
    "scripts/package",
)
INSTEAD = {
    r"mend(s|ed|ing)?": "hint (names), fix (messages)",
    r"hindrances?": "blocker",
    r"patience|insist(s|ed)?": "retry",
    r"ceremony": "session",
    r"somebody|whoever|whom": "the role or the client",
    r"doors?": "port, listener, connector",
    r"founding": "init",
    r"aside": "quarantine; backup (files)",
    r"tell(s|ing)?|told": "post, report, log, name",
    r"stands|standing": "state, status",
    r"boot owner": "fencing token",
    r"carry out|carries out|carried out": "apply",
}
# Between two words a line may end.
_WORDS = re.compile(rf"\b({'|'.join(INSTEAD)})\b".replace(" ", r"\s+"), re.IGNORECASE)
# What the source of a module has in it when a word of these is in it: the letters of one, anywhere, for names have no
# blanks between words, and of two words the rarer, for the other may be in another line or literal; or an escape that
# may be a letter of it, or divide it. To look at each name and text of all modules would take seconds.
_LETTERS = "|".join(re.sub(r"\bboot | out\b", "", words) for words in INSTEAD)
_TRACES = re.compile(rf"{_LETTERS}|\\([xuUN0-7]|\n)", re.IGNORECASE)
# Explained elsewhere: the arguments of the library's method that it overrides, or of the function that it names.
_AS_ELSEWHERE = re.compile(r"\b[Aa]s (in )?(`\w+`|redis-py|requests|rq|gunicorn|urllib3|sushy|http|io|click)")
_FEWEST_TO_EXPLAIN = 3

# Words that are part of a format which installations have on their disks.
_OF_A_FORMAT = {
    ("dhcp_tailer/sources/dnsmasq_leases.py", "told"),  # a key in checkpoints of version 1
    ("api/runs/records.py", "boot owner"),  # a field of runs in Redis
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def sources(room: str) -> list[tuple[str, ast.Module]]:
    """Each module of a room, with its name relative to the project."""
    return [(str(path.relative_to(ROOT)), tree_of(path)) for path in sorted((ROOT / room).rglob("*.py"))]


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every name that a module gives and every text in it, with the line; names as words with blanks."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, in_words(name)
            case ast.arg(arg=name) | ast.keyword(arg=str(name)) | ast.alias(asname=str(name)):
                yield node.lineno, in_words(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, in_words(name)
            case ast.Constant(value=str(text)):
                yield node.lineno, in_words(text)


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Every comment of a module that may have one of the words, with its line."""
    if not any("#" in line and _WORDS.search(line) for line in source.splitlines()):
        return  # to take the module apart would take longer than all else here
    for token in tokenize.generate_tokens(StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def words_of_our_own(source: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Each that a module has, with its line."""
    if _TRACES.search(source):
        for line, text in (*texts(tree), *comments(source)):
            yield from ((line, m[0]) for m in _WORDS.finditer(text))


def in_words(name: str) -> str:
    """``NoBootOwner`` and ``boot_owner`` as words with blanks between them."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", name)


def functions(tree: ast.Module) -> Iterator[Function]:
    """The public functions and methods of a module that are called by others: no commands and no routes."""
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef) and is_public(node.name))]
    for node in (node for body in bodies for node in body):
        if isinstance(node, Function) and is_public(node.name) and not is_command_or_route(node):
            yield node


def is_public(name: str) -> bool:
    return not name.startswith("_") or name == "__init__"


def is_command_or_route(node: Function) -> bool:
    """The docstring of a command is its help; the arguments of a route are in its path."""
    return any(
        re.search(r"\.(command|group|get|put|post|patch|delete)\(?", ast.unparse(d)) for d in node.decorator_list
    )


def raises(node: ast.AST) -> bool:
    """Whether a function itself makes an error and raises it; those nested in it do not count."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Raise) and isinstance(child.exc, ast.Call):
            return True
        if not isinstance(child, Function | ast.Lambda | ast.ClassDef) and raises(child):
            return True
    return False


def docstring(tree: ast.Module, node: Function) -> str:
    """Of a function; with that of its class where that speaks of ``__init__``, or of every method."""
    own = ast.get_docstring(node) or ""
    owner = next((c for c in tree.body if isinstance(c, ast.ClassDef) and node in c.body), None)
    of_class = (owner and ast.get_docstring(owner)) or ""
    return f"{of_class}\n{own}" if node.name == "__init__" or "from every" in of_class else own


@pytest.mark.parametrize("room", ROOMS)
def test_no_name_and_no_text_has_a_word_of_our_own_for_what_has_a_name(room: str) -> None:
    found = {
        f"{name}:{line}: {word}"
        for name, tree in sources(room)
        for line, word in words_of_our_own(source_of(ROOT / name), tree)
        if (name, word) not in _OF_A_FORMAT
    }
    assert found == set()


@pytest.mark.parametrize(
    "source",
    [
        "# to mend it",
        "def mend(): ...",
        "class BootOwner: ...",
        "text = 'it was told'",
        r"text = 'it was t\x6fld'",
        "text = 'it was to\\\nld'",
        "text = ('the boot '\n'owner')",
        '"""It is the boot\n    owner."""',
    ],
)
def test_a_word_of_our_own_is_found_however_it_is_written(source: str) -> None:
    assert len(list(words_of_our_own(source, ast.parse(source)))) == 1


PAGES = [*ROOT.glob("docs/**/*.md"), *map(ROOT.joinpath, ("README.md", "CONTRIBUTING.md", "devices.example.toml"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_has_a_word_of_our_own_for_what_has_a_name(page: Path) -> None:
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
    assert [f"{number}: {m[0]}" for number, line in lines for m in _WORDS.finditer(line)] == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_public_function_explains_its_arguments_when_there_are_three_or_more(room: str) -> None:
    found = []
    for name, tree in sources(room):
        for node in functions(tree):
            arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            text = docstring(tree, node)
            if (
                len([a for a in arguments if a.arg not in {"self", "cls"}]) >= _FEWEST_TO_EXPLAIN
                and "Args:" not in text
                and not _AS_ELSEWHERE.search(text)
            ):
                found.append(f"{name}:{node.lineno}: {node.name}")
    assert found == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_public_function_names_the_errors_that_it_raises(room: str) -> None:
    found = [
        f"{name}:{node.lineno}: {node.name}"
        for name, tree in sources(room)
        for node in functions(tree)
        if raises(node) and "Raises" not in docstring(tree, node)
    ]
    assert found == []
