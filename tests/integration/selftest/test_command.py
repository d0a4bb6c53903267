"""The command: what it prints, what its exit status means, and that it leaves nothing behind."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pki.check import Status
from tests.integration.selftest.site import Site

Good = Callable[[str], "subprocess.CompletedProcess[str]"]
NOBODY = {"REDIS_PORT": "1", "CALLBACK_API_PORT": "2"}


@pytest.fixture(scope="module")
def good(tls_site: Site) -> Good:
    """A run of a good site in each form, once: it lasts a second or more."""
    return cache(lambda output: tls_site.selftest("--output", output, LOG_LEVEL="DEBUG"))


def _results(site: Site, *arguments: str, **environ: str) -> dict[str, Any]:
    done = site.selftest("--output", "json", *arguments, **environ)
    return {one["id"]: one for one in json.loads(done.stdout)["results"]}


def test_it_exits_0_when_nothing_failed(good: Good, plain_site: Site) -> None:
    assert good("text").returncode == 0
    assert plain_site.selftest().returncode == 0


def test_it_exits_1_when_something_failed(tls_site: Site) -> None:
    done = tls_site.selftest("--only", "3b", API_TOKEN="a-wrong-token")
    assert done.returncode == 1
    assert "FAILED" in done.stdout


def test_whether_redis_replays_is_never_passed_without_having_asked(tls_site: Site) -> None:
    """Who restarts Redis on the strength of it would lose data."""
    assert tls_site.selftest("--only", "1c").returncode == 0
    assert tls_site.selftest("--only", "1c", REDIS_PASSWORD="not-the-password-of-the-site").returncode == 1


@pytest.mark.parametrize("arguments", [["--only", "9"], ["--timeout", "0"], ["--output", "xml"]])
def test_it_exits_2_on_wrong_usage(plain_site: Site, arguments: Sequence[str]) -> None:
    assert plain_site.selftest(*arguments).returncode == 2


def test_it_exits_2_on_wrong_settings_and_names_them(plain_site: Site) -> None:
    done = plain_site.selftest(REDIS_USE_TLS="true", PKI_DIR="nowhere")
    assert done.returncode == 2
    assert "REDIS_TLS_CERT: nowhere/workers/worker-cert.pem does not exist" in done.stderr


def test_wrong_settings_are_reported_in_the_form_that_was_asked_for(plain_site: Site, tmp_path: Path) -> None:
    wrong = {"REDIS_USE_TLS": "true", "PKI_DIR": "nowhere"}
    done = plain_site.selftest("--output", "json", "--report", str(tmp_path / "r.md"), **wrong)
    document = json.loads(done.stdout)
    assert (done.returncode, document["verdict"], document["passed"]) == (2, "COULD NOT RUN", False)
    assert any("REDIS_TLS_CERT: nowhere" in problem for problem in document["problems"])
    assert document["results"] == []
    markdown = plain_site.selftest("--output", "markdown", **wrong)
    assert markdown.returncode == 2
    assert markdown.stdout == (tmp_path / "r.md").read_text()
    assert "- REDIS_TLS_CERT: nowhere" in markdown.stdout


def test_it_exits_3_when_neither_redis_nor_the_api_answers(tls_site: Site, plain_site: Site) -> None:
    for site in (tls_site, plain_site):
        done = site.selftest(**NOBODY)
        assert done.returncode == 3
        assert "COULD NOT RUN" in done.stdout


def test_one_of_the_two_is_enough_to_run(plain_site: Site) -> None:
    assert plain_site.selftest(REDIS_PORT="1").returncode == 1


def test_pre_looks_at_files_and_settings_only(tls_site: Site) -> None:
    files = {"4", "4b", "5a", "6", "6b", "8", "host.files", "host.secrets", "host.git"}
    assert set(_results(tls_site, "--pre", **NOBODY)) == files
    assert tls_site.selftest("--pre", **NOBODY).returncode == 0


def test_only_chooses_by_the_beginning_of_the_id(tls_site: Site) -> None:
    chosen = {*(f"1{letter}" for letter in "abcdefghijk"), "7.api.revoked", "7.api.roles"}
    assert set(_results(tls_site, "--only", "1", "--only", "7.api.r")) == chosen


def test_list_runs_nothing(tls_site: Site) -> None:
    done = tls_site.selftest("--list", "--output", "json", **NOBODY)
    assert done.returncode == 0
    assert [one["id"] for one in json.loads(done.stdout)][:4] == ["1a", "1b", "1c", "1d"]


def test_json_has_the_verdict_and_every_result(good: Good) -> None:
    document = json.loads(good("json").stdout)
    assert document["verdict"] == "PASSED"
    assert document["passed"] is True
    assert sum(document["summary"].values()) == len(document["results"])
    assert {"id", "status", "observed", "expected", "cause", "hint"} <= set(document["results"][0])


def test_markdown_holds_results_certificates_posture_and_next_steps(good: Good) -> None:
    text = good("markdown").stdout
    for heading in ("**PASSED**", "## 7 Refusals", "## Certificates", "## Posture", "## Next steps"):
        assert heading in text
    assert "worker.worker.bringup.internal" in text


def test_markdown_of_a_failure_names_the_next_step(tls_site: Site) -> None:
    text = tls_site.selftest("--output", "markdown", API_TOKEN="a-wrong-token").stdout
    assert "**FAILED**" in text
    assert "- 3b (fail): set API_TOKEN" in text


@pytest.mark.parametrize("output", ["text", "json", "markdown"])
def test_no_secret_is_ever_printed(tls_site: Site, good: Good, output: str) -> None:
    secrets = ("the-wrong-password-of-the-test", "the-wrong-token-of-the-test")
    done = tls_site.selftest("--output", output, LOG_LEVEL="DEBUG", REDIS_PASSWORD=secrets[0], API_TOKEN=secrets[1])
    fine = good(output)
    own = (tls_site.settings.redis_password, tls_site.settings.api_token)
    for secret in (*secrets, *(one.get_secret_value() for one in own if one)):
        assert secret not in done.stdout + done.stderr + fine.stdout + fine.stderr


def test_it_leaves_nothing_behind(tls_site: Site, plain_site: Site, tmp_path: Path) -> None:
    for site in (tls_site, plain_site):
        before = set(site.keeper.scan_iter())
        assert site.selftest(TMPDIR=str(tmp_path)).returncode == 0
        assert set(site.keeper.scan_iter()) == before
    assert list(tmp_path.iterdir()) == []


def test_without_redis_cli_it_fails_with_tls_and_names_the_package(
    tls_site: Site, plain_site: Site, tmp_path: Path
) -> None:
    with_tls = _results(tls_site, PATH=str(tmp_path))
    assert {one for one, result in with_tls.items() if result["status"] == Status.FAIL} == {"1b"}
    assert "not installed" in with_tls["1b"]["observed"]
    assert "redis-tools" in with_tls["1b"]["hint"]
    assert _results(plain_site, PATH=str(tmp_path))["1b"]["status"] == Status.WARN


def test_without_any_pki_a_development_setup_is_warned_and_passes(plain_site: Site, tmp_path: Path) -> None:
    done = plain_site.selftest("--output", "json", PKI_DIR=str(tmp_path / "none"))
    assert done.returncode == 0
    results = {one["id"]: one for one in json.loads(done.stdout)["results"]}
    assert {results[check]["status"] for check in ("4", "5a", "6")} == {Status.WARN}


def test_a_user_without_a_workers_rights_gets_the_name_of_one_with_them(tls_site: Site) -> None:
    result = _results(
        tls_site, "--only", "2b", BRINGUP_ENV_FILE=tls_site.stack.environment("operator")["BRINGUP_ENV_FILE"]
    )["2b"]
    assert result["status"] == Status.FAIL
    assert "set REDIS_USERNAME=worker" in result["hint"]


def test_a_key_that_cannot_be_read_is_named_before_anything_runs(tls_site: Site) -> None:
    key = tls_site.store.root / "workers/worker-key.pem"
    key.chmod(0)
    try:
        done = subprocess.run(
            [*_without_privileges(), sys.executable, "-m", "bringup", "selftest"],
            cwd=tls_site.folder,
            env=tls_site.stack.environment("worker"),
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
    finally:
        key.chmod(0o600)
    assert done.returncode == 2
    assert f"REDIS_TLS_KEY: {key} is not readable by this user" in done.stderr


def _without_privileges() -> list[str]:
    """Root may read everything; without this it is a user like others."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    assert setpriv, "setpriv is not installed; run: apt-get install util-linux"
    dropped = "-dac_override,-dac_read_search"
    return [setpriv, f"--bounding-set={dropped}", f"--inh-caps={dropped}"]
