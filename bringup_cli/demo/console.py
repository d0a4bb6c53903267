"""The operator's page beside the demonstration, and a person who may sign in there."""

import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from bringup_cli.demo.stack import Stack, StackError, free_port

_PERSON = "demo"
_CONSOLE = "console"
_POLL_S = 0.5


@dataclass(frozen=True)
class SignIn:
    """What a person needs to sign in.

    Args:
        address: of the page.
        ca: signed the page's certificate, and the browser has to import it first; None: plain HTTP.
    """

    address: str
    token: str = field(repr=False)
    ca: Path | None = None

    def lines(self) -> list[str]:
        """What to do, for the terminal."""
        first = [f"It uses TLS: let the browser trust {self.ca}, or accept its warning"] if self.ca else []
        return [f"The page:  {self.address}", f"Sign in with the token  {self.token}", *first]


def start(stack: Stack) -> SignIn:
    """Start `bringup console` in ``stack``, whose API runs, with a person who may sign in and act.

    Raises:
        StackError: it did not start.
    """
    token, own = _add(stack, _PERSON, "operator"), _add(stack, _CONSOLE, "console")
    port, variables = free_port(), {"CONSOLE_TOKEN": own}
    settings = stack.settings
    if settings.api_use_tls:
        stack.command("pki", "issue", "console", "--name", _CONSOLE)
        stack.command("pki", "issue", "web", "--name", "console", "--san", settings.console_host, "--dev")
        issued = settings.pki_dir / "issued" / "console"
        variables |= {
            "API_CLIENT_CERT": str(issued / f"{_CONSOLE}-cert.pem"),
            "API_CLIENT_KEY": str(issued / f"{_CONSOLE}-key.pem"),
        }
    stack.start_console(port, variables)
    scheme = "https" if settings.api_use_tls else "http"
    ca = settings.path_of("api_tls_ca") if settings.api_use_tls else None
    return SignIn(f"{scheme}://{settings.console_host}:{port}", token, ca)


def keep_running(stack: Stack) -> None:
    """Return never: until the process gets a signal.

    Raises:
        StackError: a service has ended.
    """
    while True:
        stack.check_all_run()
        time.sleep(_POLL_S)


def _add(stack: Stack, name: str, role: str) -> str:
    """The token of a new operator or console."""
    found = re.search(r"TOKEN=(\S+)", stack.command("operator", "add", name, "--role", role).stdout)
    if found is None:
        raise StackError(f"bringup operator add {name} printed no token")
    return found[1]
