"""The commands as people type them: what they print, which files they write, and how they end."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from bringup_cli.commands.pki import pki
from bringup_cli.context import Context
from pki import profile
from pki.authority import is_encrypted, key_pem, pem
from pki.files import staged_name
from pki.names import Identity, Role, dns_names
from pki.store import Store
from tests.unit.pki import kit
from tests.unit.pki.kit import API, REDIS, W2, WORKER
from tests.unit.pki.test_issue import request

Run = Callable[..., Result]
ENVIRONMENT = {
    "REDIS_HOST": "redis.example.net",
    "CALLBACK_API_URL": "https://api.example.net:5000",
    "API_USE_TLS": "1",
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type a command in an empty directory, with nothing of the caller's environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("REDIS", "CALLBACK", "API", "PKI", "CA_", "BRINGUP"))]:
        monkeypatch.delenv(name)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    def type_(*words: str | Path) -> Result:
        result = CliRunner().invoke(pki, [str(word) for word in words], obj=Context())
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return result

    return type_


@pytest.fixture
def made(run: Run) -> Store:
    """A PKI made by `setup`."""
    assert run("setup").exit_code == 0
    return Store(Path("pki"))


def test_setup_works_where_the_settings_ask_for_certificates_that_are_not_there_yet(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_USE_TLS", "true")
    monkeypatch.setenv("ENVIRONMENT", "production")
    assert run("setup").exit_code == 0
    assert run("verify").exit_code == 0


def test_setup_covers_the_configured_hosts_and_those_asked_for(run: Run) -> None:
    result = run("setup", "--redis-san", "10.0.0.5", "--redis-san", "r.example.net", "--api-san", "2001:db8::1")
    assert result.exit_code == 0
    store = Store(Path("pki"))
    assert dns_names(kit.certificate_of(store, REDIS)) == [REDIS.dns, "redis.example.net", "r.example.net"]
    assert "10.0.0.5" in result.output
    assert "2001:db8::1" in result.output
    assert "api.example.net" in result.output


def test_setup_the_second_time_reports_that_there_is_nothing_to_do(run: Run, made: Store) -> None:
    before = kit.snapshot(made.root)
    result = run("setup")
    assert result.exit_code == 0
    assert "Nothing to do." in result.output
    assert kit.snapshot(made.root) == before


def test_setup_honours_pki_dir_and_validity(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PKI_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("VALIDITY_DAYS", "90")
    monkeypatch.setenv("CA_VALIDITY_DAYS", "1000")
    assert run("setup").exit_code == 0
    store = Store(tmp_path / "elsewhere")
    for certificate, days in ((store.authorities()[0], 1000), (kit.certificate_of(store, WORKER), 90)):
        validity = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert validity.days in {days, days + 1}  # backdated
    assert not Path("pki").exists()


@pytest.mark.parametrize("host", ["localhost", "redis"])
def test_a_host_without_a_dot_needs_dev(run: Run, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("REDIS_HOST", host)
    refused = run("setup")
    assert refused.exit_code == 2
    assert f"REDIS_HOST: {host} has no dot" in refused.output
    assert not Path("pki").exists()
    assert run("setup", "--dev").exit_code == 0
    assert {host, "localhost"} <= set(dns_names(kit.certificate_of(Store(Path("pki")), REDIS)))
    assert run("verify").exit_code == 0


def test_an_api_that_listens_everywhere_must_say_its_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CALLBACK_API_URL")
    monkeypatch.setenv("CALLBACK_API_HOST", "0.0.0.0")  # noqa: S104 - a setting, nothing listens
    refused = run("setup")
    assert refused.exit_code == 2
    assert "set CALLBACK_API_URL, or give --api-san" in refused.output
    assert run("setup", "--api-san", "api.example.net").exit_code == 0
    assert run("verify").exit_code == 0


@pytest.mark.parametrize("san", ["bad_name", "*.example.net", "10.0.0.1:5000", "x.operator.bringup.internal"])
def test_an_impossible_name_is_refused_and_nothing_is_made(run: Run, san: str) -> None:
    result = run("setup", "--api-san", san)
    assert result.exit_code == 2
    assert "--api-san" in result.output
    assert not Path("pki").exists()


def test_force_tells_where_the_old_generation_is(run: Run, made: Store) -> None:
    old = made.ca_key.read_bytes()
    result = run("setup", "--force")
    assert result.exit_code == 0
    backup = next((made.state / "old").iterdir())
    assert str(backup) in result.output
    assert (backup / "ca" / "ca-key.pem").read_bytes() == old


def test_the_ca_key_is_encrypted_by_setting_and_never_printed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CA_KEY_PASSPHRASE", "correct-horse-battery")
    outputs = [run(*words).output for words in (["setup"], ["verify"], ["issue", "run", "--name", "r1"], ["show"])]
    assert is_encrypted(Path("pki/ca/ca-key.pem").read_bytes())
    monkeypatch.setenv("CA_KEY_PASSPHRASE", "wrong-horse")
    wrong = run("issue", "run", "--name", "r2")
    assert wrong.exit_code == 2
    assert "the passphrase is wrong" in wrong.output
    monkeypatch.delenv("CA_KEY_PASSPHRASE")
    missing = run("issue", "run", "--name", "r2")
    assert missing.exit_code == 2
    assert "set CA_KEY_PASSPHRASE" in missing.output
    assert "horse" not in "".join([*outputs, wrong.output, missing.output])


def test_no_command_prints_a_private_key(run: Run, made: Store) -> None:
    commands = ("verify", "show", "show ca", "show worker", "renew --force", "rollover start", "setup", "crl")
    assert not any("PRIVATE" in run(*words.split()).output for words in commands)
    assert made.ca_key.exists()


def test_verify_ends_with_one_when_something_is_wrong_and_names_the_fix(run: Run, made: Store) -> None:
    made.files(API).key.chmod(0o644)
    result = run("verify")
    assert result.exit_code == 1
    assert "has mode 0644" in result.output
    assert "fix: chmod 600 pki/api/api-key.pem" in result.output
    assert "NOT in order" in result.output


def test_verify_in_json_is_one_document(run: Run, made: Store) -> None:
    document = json.loads(run("verify", "--output", "json").output)
    assert document["passed"] is True
    assert {one["target"] for one in document["results"]} == {"ca", "redis", "worker", "api"}
    made.files(API).key.unlink()
    result = run("verify", "--output", "json")
    assert result.exit_code == 1
    assert json.loads(result.output)["passed"] is False


def test_verify_checks_only_what_is_named(run: Run, made: Store) -> None:
    made.files(API).key.chmod(0o644)
    assert run("verify", "worker").exit_code == 0
    assert run("verify", "api").exit_code == 1
    assert run("verify", "nobody").exit_code == 2


def test_verify_without_a_pki_is_a_matter_of_configuration(run: Run) -> None:
    result = run("verify")
    assert result.exit_code == 2
    assert "fix: bringup pki setup" in result.output


@pytest.mark.parametrize(
    "words", ["renew", "crl", "revoke worker", "show", "rollover start", "rollover status", "issue run --name a"]
)
def test_every_command_without_a_pki_hints_at_setup(run: Run, words: str) -> None:
    result = run(*words.split())
    assert result.exit_code == 2
    assert "bringup pki setup" in result.output
    assert not Path("pki").exists()


def test_a_host_that_is_not_covered_is_found_and_setup_covers_it(
    run: Run, made: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_HOST", "new.example.net")
    assert "clients connect to new.example.net" in run("verify").output
    assert run("setup").exit_code == 0
    assert run("verify").exit_code == 0
    assert made.root.is_dir()


def test_a_request_is_signed_and_what_it_wished_for_is_named(run: Run, made: Store) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - only this test

    Path("hostile.pem").write_bytes(request(hostile=True).public_bytes(Encoding.PEM))
    result = run("issue", "worker", "--name", "w2", "--csr", "hostile.pem")
    assert result.exit_code == 0
    assert "asked for to be a CA" in result.output
    assert not made.files(W2).key.exists()
    assert run("verify").exit_code == 0


def test_a_request_that_is_none_is_a_usage_error(run: Run, made: Store) -> None:
    Path("no.pem").write_text("nothing")
    for name in ("no.pem", "absent.pem"):
        assert run("issue", "worker", "--name", "w2", "--csr", name).exit_code == 2
    assert W2 not in made.identities()


def test_renew_tells_what_it_left_alone(run: Run, made: Store) -> None:
    before = kit.snapshot(made.root)
    result = run("renew", "--exec", "touch ran")
    assert result.exit_code == 0
    assert "Nothing is due" in result.output
    assert not Path("ran").exists()
    assert kit.snapshot(made.root) == before


def test_a_dry_run_changes_nothing(run: Run, made: Store) -> None:
    before = kit.snapshot(made.root)
    result = run("renew", "--force", "--dry-run", "--exec", "touch ran")
    assert "would be renewed" in result.output
    assert not Path("ran").exists()
    assert kit.snapshot(made.root) == before


def test_after_a_renewal_the_command_runs_and_knows_what_was_renewed(run: Run, made: Store) -> None:
    result = run("renew", "api", "worker", "--force", "--exec", 'echo "$BRINGUP_RENEWED" >ran')
    assert result.exit_code == 0
    assert Path("ran").read_text() == "api worker\n"
    assert kit.certificate_of(made, API).serial_number != kit.certificate_of(made, REDIS).serial_number


def test_the_command_after_a_renewal_may_use_the_pki_itself(run: Run, made: Store) -> None:
    code = "import fcntl,os; fcntl.flock(os.open('pki/ca/state/lock', os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    assert run("renew", "api", "--force", "--exec", f'python3 -c "{code}"').exit_code == 0
    assert made.root.is_dir()


def test_a_failing_command_after_a_renewal_is_a_failure_and_the_renewal_is_kept(run: Run, made: Store) -> None:
    before = kit.certificate_of(made, API).serial_number
    result = run("renew", "api", "--force", "--exec", "exit 7")
    assert result.exit_code == 1
    assert "ended with status 7: reload the services" in result.output
    assert kit.certificate_of(made, API).serial_number != before


def test_what_renewal_cannot_do_is_a_failure_that_a_timer_reports(run: Run, made: Store) -> None:
    run("revoke", "worker", "--reason", "superseded")
    result = run("renew")
    assert result.exit_code == 1
    assert "bringup pki issue worker --name worker" in result.output
    assert run("issue", "worker", "--name", "worker").exit_code == 0
    assert run("renew").exit_code == 0
    assert run("verify").exit_code == 0
    assert made.root.is_dir()


def test_a_rollover_prints_at_each_stage_what_to_reload_and_how_to_check(run: Run, made: Store) -> None:
    assert "No CA rollover" in run("rollover", "status").output
    for words, stage in (("start", "trust"), ("advance", "clients"), ("advance", "servers")):
        result = run("rollover", words)
        assert result.exit_code == 0
        assert f"Stage: {stage}" in result.output
        assert "Reload:" in result.output
        assert "Check" in result.output
        assert f"Stage {stage}, since" in run("rollover", "status").output
        assert run("verify").exit_code == 0
    assert run("rollover", "advance").exit_code == 1
    assert run("rollover", "finish").exit_code == 0
    assert "No CA rollover" in run("rollover", "status").output
    assert len(made.authorities()) == 1


def test_show_lists_what_is_here_and_what_was_ever_issued(run: Run, made: Store) -> None:
    run("issue", "operator", "--name", "alice")
    run("revoke", "alice")
    here = json.loads(run("show", "--output", "json").output)
    assert [(one["identity"], one["state"]) for one in here] == [
        ("ca", "valid"),
        ("redis", "valid"),
        ("worker", "valid"),
        ("api", "valid"),
    ]
    ever = json.loads(run("show", "--all", "--output", "json").output)
    assert [one["identity"] for one in ever] == ["redis", "worker", "api", "operator/alice"]
    assert ever[-1]["state"].startswith("revoked")
    assert made.identities() == [REDIS, WORKER, API]


@pytest.mark.parametrize("what", ["api", "api.api.bringup.internal", "pki/api/api-cert.pem", "pki/api/api-bundle.pem"])
def test_show_tells_what_a_person_wants_to_know(run: Run, made: Store, what: str) -> None:
    text = run("show", what).output
    for fact in ("server (serverAuth)", "api.example.net", "days left", "EC secp256r1", "bringup CA"):
        assert fact in text
    assert made.root.is_dir()


def test_show_of_a_hostile_certificate_is_one_message(run: Run, made: Store) -> None:
    rubbish = x509.UnrecognizedExtension(ExtensionOID.BASIC_CONSTRAINTS, b"\x30\x03\x82")
    forged = kit.Forgery(basic=False, extra=[rubbish]).sign(kit.authority_of(made))
    Path("hostile.pem").write_bytes(pem(forged))
    result = run("show", "hostile.pem")
    assert result.exit_code == 1
    assert "hostile.pem holds a certificate that cannot be read" in result.output


@pytest.mark.parametrize("what", ["nobody", "absent.pem", "pki/api/api-key.pem"])
def test_show_of_what_is_no_certificate_is_one_message(run: Run, made: Store, what: str) -> None:
    result = run("show", what)
    assert result.exit_code in {1, 2}
    assert what.removeprefix("pki/") in result.output
    assert made.root.is_dir()


def test_a_key_that_does_not_fit_is_fixed_by_the_command_that_is_named(run: Run, made: Store) -> None:
    made.files(API).key.write_bytes(key_pem(profile.new_key()))
    assert "bringup pki renew api --rekey --force" in run("setup").output
    assert run("renew", "api", "--rekey", "--force").exit_code == 0
    assert run("verify").exit_code == 0


def test_a_lost_record_is_fixed_by_the_command_that_is_named(run: Run, made: Store) -> None:
    made.ledger_file.unlink()
    for words in (["issue", "run", "--name", "r"], ["crl"], ["revoke", "worker"], ["renew", "--force"]):
        result = run(*words)
        assert result.exit_code == 1
        assert "bringup pki crl --rebuild-ledger" in result.output
    assert run("crl", "--rebuild-ledger").exit_code == 0
    assert run("verify").exit_code == 0


def test_a_killed_command_is_finished_by_the_next(run: Run, made: Store) -> None:
    files = made.files(API)
    before = files.certificate.read_bytes()
    (made.state / "change.json").write_text('{"put": ["api/api-cert.pem"], "drop": []}')
    staged_name(files.certificate).write_bytes(before + b"\n")
    verified = run("verify")
    assert verified.exit_code == 1
    assert "fix: bringup pki setup" in verified.output
    assert run("setup").exit_code == 0
    assert files.certificate.read_bytes() == before + b"\n"
    assert run("verify").exit_code == 0


def test_names_and_roles_that_do_not_exist_are_usage_errors(run: Run, made: Store) -> None:
    for words in (
        ["issue", "king", "--name", "a"],
        ["issue", "worker", "--name", "../a"],
        ["revoke", "worker", "--reason", "x"],
    ):
        assert run(*words).exit_code == 2
    assert made.root.is_dir()


def test_keys_are_private_whatever_makes_them(run: Run, made: Store) -> None:
    run("issue", "worker", "--name", "w2")
    run("renew", "--force", "--rekey")
    run("rollover", "start")
    keys = list(made.root.rglob("*key.pem"))
    assert len(keys) > 8
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    assert made.files(Identity(Role.WORKER, "w2")).key in keys


def test_programs_get_the_state_of_a_rollover_and_of_each_renewal_as_json(run: Run, made: Store) -> None:
    assert json.loads(run("rollover", "status", "--output", "json").output) == {
        "stage": None,
        "since": None,
        "next": [],
    }
    planned = json.loads(run("renew", "--force", "--dry-run", "--output", "json").output)
    assert (planned["dry_run"], planned["crl_renewed"]) == (True, True)
    assert {one["identity"] for one in planned["certificates"] if one["due"]} == {"redis", "api", "worker"}
    run("rollover", "start")
    begun = json.loads(run("rollover", "status", "--output", "json").output)
    assert begun["stage"] == "trust"
    assert begun["next"]


def test_what_is_made_revoked_listed_and_moved_is_shown_to_programs(run: Run) -> None:
    assert "worker" in json.loads(run("setup", "--dev", "--output", "json").output)["made"]
    issued = json.loads(run("issue", "worker", "--name", "w2", "--output", "json").output)
    assert issued["identity"] == "w2.worker.bringup.internal"
    assert all(Path(issued[file]).exists() for file in ("certificate", "chain", "key"))
    revoked = json.loads(run("revoke", "worker", "--output", "json").output)
    assert [one["identity"] for one in revoked["revoked"]] == ["worker"]
    assert Path(revoked["crl"]).exists()
    assert json.loads(run("crl", "--output", "json").output)["revoked"] == 1
    moved = json.loads(run("rollover", "start", "--output", "json").output)
    assert moved["stage"] == json.loads(run("rollover", "status", "--output", "json").output)["stage"]
