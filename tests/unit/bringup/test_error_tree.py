"""Every error class of the project hangs on one of two trees, and each tree is drawn where people look for it."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

import bringup.errors
import pki.errors
from bringup.errors import BringupError
from pki.errors import PkiError

PACKAGES = ("bringup", "bringup_cli", "selftest", "api", "workers", "dhcp_tailer", "pki", "agent")
# Those that hang on no tree of ours, and why.
ELSEWHERE = {
    "bringup.connections.sentinel.SentinelRefused": "redis-py must take it for a refused login",
    "bringup.connections.http_reply.ReplyTooLargeError": "it is a reply that http.client cannot read",
    "bringup.connections.sentinel.NoSentinelAnswers": "redis-py must take it for a connection that failed",
    "dhcp_tailer.retry.Interrupted": "a signal: no `except Exception` of a library may stop it",
    "agent.api.RunOver": "the agent runs in the image, without the kernel",
    "agent.parameters.BadParameters": "the agent runs in the image, without the kernel",
}
_NODE = re.compile(r"^    ((?:[│ ]   |[├└]── )*)(\w+)", re.MULTILINE)


def _modules() -> Iterator[str]:
    for package in map(importlib.import_module, PACKAGES):
        yield package.__name__
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                yield module.name


def _error_classes() -> dict[str, type[BaseException]]:
    found = {}
    for name in _modules():
        for _, member in inspect.getmembers(importlib.import_module(name), inspect.isclass):
            if issubclass(member, BaseException) and member.__module__ == name:
                found[f"{name}.{member.__name__}"] = member
    return found


def _drawn(docstring: str | None) -> dict[str, str | None]:
    """The parent of each class, as the drawing has it; None: the root."""
    path: list[str] = []
    parents: dict[str, str | None] = {}
    for indent, name in _NODE.findall(docstring or ""):
        depth = len(indent) // 4
        parents[name] = path[depth - 1] if depth else None
        path[depth:] = [name]
    return parents


def _real(root: type[BaseException], classes: dict[str, type[BaseException]]) -> dict[str, str | None]:
    return {
        member.__name__: member.__bases__[0].__name__ if member is not root else None
        for member in classes.values()
        if issubclass(member, root)
    }


def test_every_error_class_hangs_on_a_tree_or_has_a_reason_not_to() -> None:
    stray = {name for name, member in _error_classes().items() if not issubclass(member, BringupError | PkiError)}
    assert stray == set(ELSEWHERE)


def test_the_drawing_of_our_errors_is_the_tree() -> None:
    assert _drawn(bringup.errors.__doc__) == _real(BringupError, _error_classes())


def test_the_drawing_of_the_pki_errors_is_the_tree() -> None:
    assert _drawn(pki.errors.__doc__) == _real(PkiError, _error_classes())
