"""``bringup device learn`` against the real API: a patch on standard output, and plainly what it is worth."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from bringup.errors import PermanentError
from bringup.inventory import Inventory
from bringup.settings import Settings
from bringup.settings.rules import Use
from bringup_cli.commands.device_learn import device_learn
from bringup_cli.context import Context
from bringup_cli.simulate.hardware_report import Fault
from tests.integration.api.conftest import RUN_A, Api

Learn = Callable[..., Result]


@pytest.fixture
def learn(api: Api, settings: Settings) -> Iterator[Learn]:
    """The command, as an operator runs it on the API's host."""
    server = make_server("127.0.0.1", 0, api.client.application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()

    class Here(Context):
        def settings_for(self, *_: Use) -> Settings:
            return settings.model_copy(update={"callback_api_url": f"http://127.0.0.1:{server.port}"})

    yield lambda *arguments: CliRunner().invoke(device_learn, arguments, obj=Here())
    server.shutdown()
    thread.join()
    server.server_close()


def reported(api: Api, fault: Fault = Fault.NONE) -> None:
    token = api.booted()
    api.ok("POST", f"/runs/{RUN_A}/report", api.report(fault=fault), token=token)


def test_the_patch_is_on_standard_output_and_the_warning_is_not(api: Api, learn: Learn) -> None:
    reported(api)
    before = api.inventory.read_text()
    done = learn("a")
    assert done.exit_code == 0, done.output
    assert api.inventory.read_text() == before
    subprocess.run(["patch", "-p0", "--silent"], input=done.stdout.encode(), cwd=api.inventory.parent, check=True)
    assert Inventory.read(api.inventory).by_name["a"].expected.tpm == "2.0"
    assert f"From the report of run {RUN_A}. Read every line." in done.stderr
    assert "makes the broken machine the norm" in done.stderr
    assert "patch -p0" in done.stderr


def test_what_differs_is_shown_and_not_proposed(api: Api, learn: Learn) -> None:
    reported(api, Fault.WRONG_MEMORY)
    done = learn("a")
    assert "expected.memory_gib: on record 64, found 32; --replace would propose it" in done.stderr
    assert "memory_gib = 32" not in done.stdout
    assert "+expected = { memory_gib = 32" in learn("a", "--replace").stdout


def test_the_same_as_json(api: Api, learn: Learn) -> None:
    reported(api, Fault.WRONG_MEMORY)
    found = json.loads(learn("a", "--output", "json").stdout)
    assert (found["device"], found["run"], found["in_inventory"]) == ("a", RUN_A, True)
    assert found["patch"].startswith(f"--- {api.inventory.name}\n")
    changes = {change["field"]: change for change in found["changes"]}
    assert (changes["expected.memory_gib"]["on_record"], changes["expected.memory_gib"]["proposed"]) == (64, False)
    assert "broken machine" in found["warning"]


def test_a_device_without_a_report_is_an_error_that_says_what_to_do(api: Api, learn: Learn) -> None:
    done = learn("b")
    assert isinstance(done.exception, PermanentError)
    assert "bringup device start b" in str(done.exception)


def test_the_report_of_another_device_is_not_learned(api: Api, learn: Learn) -> None:
    reported(api)
    done = learn("b", "--run", RUN_A)
    assert isinstance(done.exception, PermanentError)
    assert str(done.exception) == f"run {RUN_A} is of a, not of b"
    assert learn("a", "--run", RUN_A).exit_code == 0
