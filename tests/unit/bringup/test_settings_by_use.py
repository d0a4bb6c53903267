"""A service needs the settings that it uses, and no others; what others can read is no secret."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from bringup.errors import SettingsError
from bringup.settings import Settings, load
from bringup.settings.load import env_files
from bringup.settings.rules import Use, broken_rules, rules_for
from bringup_cli.root import cli

GOOD = "Zq8vN3xK7mR2tY6wB4cD"
PRODUCTION = {"ENVIRONMENT": "production"}
FLAGS = {"REDIS_USE_TLS": "true", "API_USE_TLS": "true"}
PASSWORD, TOKEN = {"REDIS_PASSWORD": GOOD}, {"API_TOKEN": GOOD}
# The least that each service has in production: its flags and secrets, and the files under PKI_DIR that it opens.
SERVICES = {
    "tail": ((Use.REDIS, Use.LEASES), {"REDIS_USE_TLS": "true"} | PASSWORD),
    "work": ((Use.REDIS, Use.API), FLAGS | PASSWORD | TOKEN),
    "api": ((Use.REDIS, Use.CALLBACKS), FLAGS | PASSWORD | TOKEN),
    "images": ((Use.REDIS, Use.IMAGES), FLAGS | PASSWORD),
    "redis-conf": ((Use.REDIS_SERVER,), {"REDIS_USE_TLS": "true"}),
    "console": ((Use.CONSOLE,), {"API_USE_TLS": "true", "CONSOLE_TOKEN": GOOD}),
    "a person's": ((Use.OPERATOR,), {"API_USE_TLS": "true", "OPERATOR_TOKEN": GOOD}),
    "local": ((), {}),
}


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    for name in ("ca/ca-cert.pem", "workers/worker-cert.pem", "workers/worker-key.pem", "api/api-key.pem"):
        path = tmp_path / "pki" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    return tmp_path / "pki"


def problems(environ: dict[str, str], pki: Path, *uses: Use) -> tuple[str, ...]:
    """Of a start with this environment; none: it starts."""
    empty = pki.parent / "empty.env"
    empty.touch()
    try:
        load(environ | {"PKI_DIR": str(pki)}, empty, rules=rules_for(uses))
    except SettingsError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("service", SERVICES)
def test_the_least_that_a_service_needs_is_enough_in_production(service: str, pki: Path) -> None:
    uses, least = SERVICES[service]
    assert problems(PRODUCTION | least, pki, *uses) == ()


@pytest.mark.parametrize("service", SERVICES)
def test_the_same_is_enough_without_tls_in_development(service: str, pki: Path) -> None:
    uses, least = SERVICES[service]
    assert problems({name: value for name, value in least.items() if name not in FLAGS}, pki, *uses) == ()


@pytest.mark.parametrize(
    ("service", "missing"), [(name, one) for name, (_, least) in SERVICES.items() for one in least]
)
def test_whatever_of_it_is_missing_is_named(service: str, missing: str, pki: Path) -> None:
    uses, least = SERVICES[service]
    found = problems(PRODUCTION | {name: value for name, value in least.items() if name != missing}, pki, *uses)
    shown = "API_TOKEN" if missing == "OPERATOR_TOKEN" else missing
    assert [one.partition(":")[0] for one in found] == [shown]


def test_a_worker_without_the_token_of_the_api_does_not_start(pki: Path) -> None:
    (found,) = problems(PASSWORD, pki, Use.REDIS, Use.API)
    assert found.startswith("API_TOKEN: must be set")
    assert problems(PASSWORD, pki, Use.REDIS, Use.LEASES) == ()


@pytest.mark.parametrize("service", SERVICES)
def test_a_wrong_extra_setting_is_refused_whoever_would_use_it(service: str, pki: Path) -> None:
    uses, least = SERVICES[service]
    (found,) = problems(PRODUCTION | least | {"CALLBACK_API_PORT": "hunter2"}, pki, *uses)
    assert found.startswith("CALLBACK_API_PORT: ")
    (found,) = problems(PRODUCTION | least | {"REDIS_TLS": "true"}, pki, *uses)
    assert "did you mean REDIS_USE_TLS?" in found


@pytest.mark.parametrize("service", ["tail", "redis-conf", "local"])
def test_rules_of_other_services_are_not_asked(service: str, pki: Path) -> None:
    """An image without a port for it, a URL with the wrong scheme: the API's business."""
    uses, least = SERVICES[service]
    others = {"CALLBACK_API_URL": "http://a.example.net", "API_USE_TLS": "true", "API_TOKEN": "short"}
    assert problems(PRODUCTION | least | others, pki, *uses) == ()
    assert problems(PRODUCTION | least | others, pki, *uses, Use.API)


@pytest.mark.parametrize(
    ("roles", "named"),
    [
        ("tailer", {"REDIS_PASSWORD"}),
        ("console", {"CONSOLE_TOKEN"}),
        ("", {"REDIS_PASSWORD", "API_TOKEN"}),
        ("ca", set()),
    ],
)
def test_what_a_host_is_decides_what_all_its_settings_must_be(roles: str, named: set[str]) -> None:
    secure = {"redis_use_tls": False, "api_use_tls": False}
    settings = Settings.model_validate({"environment": "production", "host_roles": roles} | secure)
    found = {one.partition(":")[0] for one in broken_rules(settings)}
    assert found - {"REDIS_USE_TLS", "API_USE_TLS"} == named


def settings_file(folder: Path, mode: int, text: str = f"API_TOKEN={GOOD}\n") -> Path:
    path = folder / "some.env"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(("mode", "fine"), [(0o600, True), (0o400, True), (0o640, False), (0o604, False)])
def test_a_file_of_secrets_that_others_can_read_is_an_error_in_production(
    tmp_path: Path, mode: int, *, fine: bool
) -> None:
    path = settings_file(tmp_path, mode)
    loaded = load({}, path)
    assert not loaded.exposed if fine else f"chmod 600 {path}" in loaded.exposed[0]
    if fine:
        load(PRODUCTION, path, rules=rules_for(()))
        return
    with pytest.raises(SettingsError, match=f"mode 0{mode:o} gives a secret to other users"):
        load(PRODUCTION, path, rules=rules_for(()))
    load(PRODUCTION | {"ALLOW_INSECURE_PRODUCTION": "true"}, path, rules=rules_for(()))


def test_a_file_without_secrets_may_be_read_by_others(tmp_path: Path) -> None:
    path = settings_file(tmp_path, 0o644, "REDIS_PORT=7\nAPI_TOKEN=\n")
    assert load(PRODUCTION, path, rules=rules_for(())).exposed == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
def test_a_file_of_another_user_is_an_error_in_production(tmp_path: Path) -> None:
    path = settings_file(tmp_path, 0o600)
    os.chown(path, 12345, -1)
    with pytest.raises(SettingsError, match="it belongs to user 12345"):
        load(PRODUCTION, path, rules=rules_for(()))


@pytest.mark.parametrize(
    ("service", "key"),
    [
        ("tail", "workers/worker-key.pem"),
        ("work", "workers/worker-key.pem"),
        ("api", "workers/worker-key.pem"),
        ("api", "api/api-key.pem"),
        ("images", "workers/worker-key.pem"),
        ("images", "api/api-key.pem"),
        ("a person's", "workers/worker-key.pem"),
    ],
)
def test_a_key_that_others_can_read_is_an_error_in_production(service: str, key: str, pki: Path) -> None:
    uses, least = SERVICES[service]
    (pki / key).chmod(0o640)
    assert any(f"chmod 600 {pki / key}" in one for one in problems(PRODUCTION | least, pki, *uses))
    assert problems(least, pki, *uses) == ()


@pytest.mark.parametrize(
    ("service", "setting"),
    [
        ("tail", "REDIS_TLS_KEY"),
        ("work", "REDIS_TLS_KEY"),
        ("work", "API_CLIENT_KEY"),
        ("api", "REDIS_TLS_KEY"),
        ("api", "API_TLS_KEY"),
        ("images", "REDIS_TLS_KEY"),
        ("images", "API_TLS_KEY"),
        ("a person's", "API_CLIENT_KEY"),
    ],
)
@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_key_that_a_setting_names_elsewhere_is_judged_alike(service: str, setting: str, mode: int, pki: Path) -> None:
    uses, least = SERVICES[service]
    key = pki.parent / "elsewhere.pem"
    key.touch(mode=0o600)
    assert problems(PRODUCTION | least | {setting: str(key)}, pki, *uses) == ()
    key.chmod(mode)
    (found,) = problems(PRODUCTION | least | {setting: str(key)}, pki, *uses)
    assert f"chmod 600 {key}" in found


@pytest.mark.parametrize("service", SERVICES)
def test_settings_that_others_can_read_stop_every_service_in_production(service: str, pki: Path) -> None:
    uses, least = SERVICES[service]
    path = settings_file(pki.parent, 0o644, "".join(f"{name}={value}\n" for name, value in least.items()))
    with path.open("a") as file:
        file.write(f"CA_KEY_PASSPHRASE={GOOD}\n")
    with pytest.raises(SettingsError, match=f"chmod 600 {path}"):
        load(PRODUCTION | {"PKI_DIR": str(pki)}, path, rules=rules_for(uses))


def test_in_development_it_is_a_warning_at_start(tmp_path: Path) -> None:
    path = settings_file(tmp_path, 0o644)
    done = CliRunner().invoke(cli, ["--env-file", str(path), "config"])
    assert done.exit_code == 0
    assert "other users can read a secret" in done.stderr
    assert GOOD not in done.output
    path.chmod(0o600)
    assert "secret:" not in CliRunner().invoke(cli, ["--env-file", str(path), "config"]).stderr


def test_in_development_a_key_that_others_can_read_is_a_warning_at_start(pki: Path) -> None:
    flags = FLAGS | {"PKI_DIR": str(pki)}
    path = settings_file(pki.parent, 0o600, "".join(f"{name}={value}\n" for name, value in flags.items()))
    for name in ("workers/worker-key.pem", "api/api-key.pem"):
        (pki / name).chmod(0o644)
    shown = CliRunner().invoke(cli, ["--env-file", str(path), "config"]).stderr
    assert shown.count("other users can read a secret") == 2
    assert f"chmod 600 {pki}/api/api-key.pem" in shown


def test_of_several_files_later_ones_win_and_each_is_named(tmp_path: Path) -> None:
    common, own = tmp_path / "common.env", tmp_path / "worker.env"
    common.write_text("REDIS_PORT=7\nREDIS_USERNAME=nobody\n")
    own.write_text("REDIS_USERNAME=worker\n")
    for given in ({"environ": {}, "env_file": (common, own)}, {"environ": {"BRINGUP_ENV_FILE": f"{common}:{own}"}}):
        loaded = load(**given)
        assert (loaded.settings.redis_port, loaded.settings.redis_username) == (7, "worker")
        assert (loaded.origins["REDIS_PORT"], loaded.origins["REDIS_USERNAME"]) == (str(common), str(own))


def test_each_of_several_files_must_be_there(tmp_path: Path) -> None:
    there = settings_file(tmp_path, 0o600)
    with pytest.raises(SettingsError, match=r"absent\.env does not exist"):
        load({}, (there, tmp_path / "absent.env"))


def test_without_any_named_the_file_of_the_working_directory_is_read() -> None:
    assert env_files({}) == ()
    assert env_files({"BRINGUP_ENV_FILE": ""}) == ()


def test_the_command_line_takes_several_files(tmp_path: Path) -> None:
    common, own = settings_file(tmp_path, 0o600), tmp_path / "own.env"
    own.write_text("REDIS_USERNAME=worker\n")
    done = CliRunner().invoke(cli, ["--env-file", str(common), "--env-file", str(own), "config", "--output", "json"])
    assert '"worker"' in done.stdout
