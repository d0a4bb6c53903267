"""A light command imports no heavy module: each of these takes longer to import than the command takes to run.

The certificate command of a run is one of them: the API starts it for each run.
"""

import json
import subprocess
import sys

import pytest

# Of the services, and of the commands that play or examine machines.
SERVERS = frozenset(
    {"flask", "werkzeug", "jinja2", "spectree", "gevent", "gunicorn", "sushy", "rq", "redis", "prometheus_client"}
)
# Of a client of a BMC, and of whatever reads certificates: a client of the API needs neither, without TLS.
CLIENTS = frozenset({"requests", "urllib3", "cryptography"})
# Of whatever reads settings.
SETTINGS = frozenset({"pydantic", "structlog", "dotenv", "re2"})
# A table of a few lines for people is worth it; JSON for a program is not.
TABLES = frozenset({"rich"})
LIGHT = {
    ("--version",): SERVERS | CLIENTS | SETTINGS | TABLES,
    ("--help",): SERVERS | CLIENTS | SETTINGS | TABLES,
    ("config", "--output", "json"): SERVERS | CLIENTS | {"structlog"} | TABLES,
    ("config",): SERVERS | CLIENTS | {"structlog"},
    ("operator", "list", "--output", "json"): SERVERS | CLIENTS | TABLES,
    ("audit", "show", "--output", "json"): SERVERS | CLIENTS | TABLES,
    ("inventory", "check", "--output", "json"): SERVERS | CLIENTS | TABLES,
    ("runs", "--output", "json"): SERVERS | CLIENTS | {"structlog"} | TABLES,
    ("runs",): SERVERS | CLIENTS | {"structlog"},
    ("run", "show", "x", "--output", "json"): SERVERS | CLIENTS | {"structlog"} | TABLES,
    ("run", "report", "x"): SERVERS | CLIENTS | {"structlog"} | TABLES,
    ("devices", "--output", "json"): SERVERS | CLIENTS | {"structlog"} | TABLES,
    ("device", "show", "x", "--output", "json"): SERVERS | CLIENTS | {"structlog"} | TABLES,
    ("queues", "--output", "json"): SERVERS | CLIENTS | {"structlog"} | TABLES,
    ("run", "wait", "x", "--timeout", "0"): SERVERS | CLIENTS | {"structlog"} | TABLES,
    ("completion", "bash"): SERVERS | CLIENTS | {"structlog"} | TABLES,
    ("explain", "x"): SERVERS | CLIENTS | {"structlog"} | TABLES,
    ("site", "--help"): SERVERS | {"requests", "urllib3"} | TABLES,
    ("site", "status", "--output", "json"): (SERVERS - {"redis"}) | {"requests", "urllib3"} | TABLES,
    ("pki", "--help"): SERVERS | {"requests", "urllib3"} | TABLES,
    ("pki", "issue", "run", "--name", "x", "--stdout"): SERVERS | {"requests", "urllib3"} | TABLES,
}
# One command after the other in one process would show what an earlier one has imported; so each has a child of one
# parent that has imported Python alone. A command may fail: there is no API here, and nothing that could be read.
PROGRAM = """
import io, json, os, sys
for line in sys.stdin:
    read, write = os.pipe()
    if os.fork() == 0:
        sys.argv = ["bringup", *json.loads(line)]
        out, sys.stdout, sys.stderr = os.fdopen(write, "w"), io.StringIO(), io.StringIO()
        try:
            from bringup_cli import main
            main()
        except SystemExit:
            pass
        out.write(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
        out.flush()
        os._exit(0)
    os.close(write)
    print(os.fdopen(read).read())
    os.wait()
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], set[str]]:
    """The modules that each light command has imported when it ends."""
    folder = tmp_path_factory.mktemp("light")
    environ = {"CALLBACK_API_URL": "http://127.0.0.1:9", "REDIS_PASSWORD": "p" * 32, "API_TOKEN": "t" * 32}
    asked = "".join(json.dumps(words) + "\n" for words in LIGHT)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env=environ,
        input=asked,
        capture_output=True,
        text=True,
        check=True,
    )
    return {words: set(json.loads(line)) for words, line in zip(LIGHT, done.stdout.splitlines(), strict=True)}


@pytest.mark.parametrize("words", LIGHT, ids=" ".join)
def test_a_light_command_imports_no_heavy_module(
    imported: dict[tuple[str, ...], set[str]], words: tuple[str, ...]
) -> None:
    assert "bringup_cli" in imported[words]
    assert imported[words] & LIGHT[words] == set()


def test_a_heavy_module_is_found_where_it_is_imported(imported: dict[tuple[str, ...], set[str]]) -> None:
    assert imported["runs",] >= {"http", "pydantic", "click"}
    assert "rich" in imported["config",]
