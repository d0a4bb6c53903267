"""Settings: every problem at once, by name, without a value; and no switch that is silently ignored."""

from pathlib import Path

import pytest
from dotenv import dotenv_values

from bringup.errors import SettingsError
from bringup.settings import Settings, load, variables
from bringup.settings.generated import example, page
from bringup.settings.rules import Use, idle_switches, image_exceptions, insecurities

ROOT = Path(__file__).parents[3]


def problems_of(environ: dict[str, str], tmp_path: Path, env_file: str = "") -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        loaded(environ, tmp_path, env_file)
    return caught.value.problems


def loaded(environ: dict[str, str], tmp_path: Path, env_file: str = "") -> Settings:
    path = tmp_path / "some.env"
    path.write_text(env_file)
    return load(environ, path).settings


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "yes", "Yes", "on", " on "])
def test_a_switch_is_on_for_every_word_that_means_on(text: str, tmp_path: Path) -> None:
    assert loaded({"API_REQUIRE_CLIENT_CERT": text}, tmp_path).api_require_client_cert is True


@pytest.mark.parametrize("text", ["false", "False", "0", "no", "off", "OFF"])
def test_a_switch_is_off_for_every_word_that_means_off(text: str, tmp_path: Path) -> None:
    assert loaded({"API_REQUIRE_CLIENT_CERT": text}, tmp_path).api_require_client_cert is False


@pytest.mark.parametrize("text", ["", "y", "t", "enabled", "2", "tru", "null", "-1"])
def test_a_switch_takes_nothing_else(text: str, tmp_path: Path) -> None:
    assert problems_of({"REDIS_USE_TLS": text}, tmp_path) == (
        "REDIS_USE_TLS: must be one of true, false, 1, 0, yes, no, on, off",
    )


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    found = problems_of({"REDIS_PORT": "99999", "API_USE_TLS": "maybe", "ENVIRONMENT": "prod"}, tmp_path)
    assert {line.partition(":")[0] for line in found} == {"REDIS_PORT", "API_USE_TLS", "ENVIRONMENT"}


def test_a_secret_is_never_part_of_a_message(tmp_path: Path) -> None:
    secret = "s3cr3t\x07value"
    found = problems_of({"REDIS_PASSWORD": secret, "API_TOKEN": " lead", "REDIS_PORT": "hunter2"}, tmp_path)
    assert len(found) == 3
    assert not any(word in " ".join(found) for word in ("s3cr3t", "lead", "hunter2"))


def test_a_secret_is_never_shown_by_repr(tmp_path: Path) -> None:
    assert "hunter2hunter2" not in repr(loaded({"API_TOKEN": "hunter2hunter2"}, tmp_path))


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("REDIS_USETLS", "REDIS_USE_TLS"),
        ("REDIS_SENTINEL", "REDIS_SENTINELS"),
        ("REDIS_SENTINEL_PASS", "REDIS_SENTINEL_PASSWORD"),
        ("REDIS_SENTINELS_PASSWORD", "REDIS_SENTINEL_PASSWORD"),
        ("REDIS_TLS", "REDIS_USE_TLS"),
        ("REDIS_SSL", "REDIS_USE_TLS"),
        ("REDIS_USE_SSL", "REDIS_USE_TLS"),
        ("API_TLS", "API_USE_TLS"),
        ("API_TLS_CRT", "API_TLS_CERT"),
        ("API_REQUIRE_CLIENT_CERTS", "API_REQUIRE_CLIENT_CERT"),
        ("ENVIROMENT", "ENVIRONMENT"),
        ("CA_KEY_PASSWORD", "CA_KEY_PASSPHRASE"),
        ("API_TLS_CRLS", "API_TLS_CRL"),
        ("ALLOW_INSECURE_PROD", "ALLOW_INSECURE_PRODUCTION"),
    ],
)
@pytest.mark.parametrize("where", ["environment", "file"])
def test_a_misspelt_variable_is_an_error_that_names_the_right_one(
    name: str, right: str, where: str, tmp_path: Path
) -> None:
    in_environment = where == "environment"
    found = problems_of({name: "true"} if in_environment else {}, tmp_path, "" if in_environment else f"{name}=true\n")
    assert len(found) == 1
    assert found[0].startswith(f"{name}: there is no such setting")
    assert found[0].endswith(f"did you mean {right}?")


def test_what_other_software_puts_in_the_environment_is_left_alone(tmp_path: Path) -> None:
    foreign = {"REDIS_SERVICE_HOST": "x", "API_KEY": "y", "REDIS_PORT_6379_TCP": "z", "PATH": "/bin", "PKI": "1"}
    assert loaded(foreign, tmp_path).redis_port == 6379


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "some.env"
    path.write_text("REDIS_HOST=from-file\nREDIS_DB=3\n")
    both = load({"REDIS_HOST": "from-environment"}, path)
    assert (both.settings.redis_host, both.settings.redis_db) == ("from-environment", 3)
    assert both.origins["REDIS_HOST"] == "environment"
    assert both.origins["REDIS_DB"] == str(path)
    assert both.origins["REDIS_PORT"] == "default"


def test_a_password_with_a_dollar_sign_is_taken_as_it_stands(tmp_path: Path) -> None:
    made = loaded({}, tmp_path, "REDIS_PASSWORD='pa${HOME}ss'\n")
    assert made.redis_password is not None
    assert made.redis_password.get_secret_value() == "pa${HOME}ss"


@pytest.mark.parametrize(
    "line", ["REDIS_USE_TLS true", "REDIS_USE_TLS", "=true", "REDIS_USE_TLS: true", 'API_TOKEN="secret']
)
def test_a_line_of_the_file_that_sets_nothing_is_an_error_with_its_number(line: str, tmp_path: Path) -> None:
    """Skipped, it would leave a switch at its default: plain text."""
    (problem,) = problems_of({}, tmp_path, f"# a comment\n\nexport REDIS_DB=1\n{line}\n")
    assert problem == f"{tmp_path / 'some.env'}: line 4 is not NAME=value"


def test_settings_are_frozen(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        loaded({}, tmp_path).redis_host = "other"  # type: ignore[misc]


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.env does not exist; .*`bringup init` writes"):
        load({"BRINGUP_ENV_FILE": str(tmp_path / "absent.env")})


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("REDIS_PORT", "abc", "must be a whole number"),
        ("REDIS_PORT", "6379.5", "must be a whole number"),
        ("RETRY_MIN_S", "soon", "must be a whole number"),
    ],
)
def test_what_is_no_number_is_named_in_plain_words(name: str, text: str, problem: str, tmp_path: Path) -> None:
    assert problems_of({name: text}, tmp_path) == (f"{name}: {problem}",)


@pytest.mark.parametrize(
    ("flag", "url"), [("false", "https://api.example.net:5000"), ("true", "http://api.example.net:5000")]
)
def test_a_url_whose_scheme_contradicts_the_flag_is_an_error(flag: str, url: str, tmp_path: Path) -> None:
    found = problems_of({"API_USE_TLS": flag, "CALLBACK_API_URL": url}, tmp_path)
    assert any(line.startswith("CALLBACK_API_URL: begins with") for line in found)


@pytest.mark.parametrize(
    ("urls", "problem"),
    [
        ("http://a.example.net,https://b.example.net", "entry 2: begins with https:// but API_USE_TLS=false"),
        ("http://a.example.net,http://u:p@b.example.net", "entry 2: must not hold credentials"),
        ("http://a.example.net,", "entry 2: must be a URL"),
        (",", "entry 1: must be a URL"),
        ("http://a.example.net,b.example.net:5000", "entry 2: must be a URL"),
        ("http://a.example.net,http://a.example.net/", "must name each URL once"),
    ],
)
def test_each_entry_of_several_urls_of_the_api_is_checked(urls: str, problem: str, tmp_path: Path) -> None:
    found = problems_of({"CALLBACK_API_URL": urls}, tmp_path)
    assert any(line.startswith("CALLBACK_API_URL") and problem in line for line in found)
    assert "u:p" not in str(found)


@pytest.mark.parametrize(
    ("host", "urls"),
    [("127.0.0.1", ("http://a:5000", "http://b:5000")), ("b", ("http://b:5000", "http://a:5000"))],
)
def test_an_api_host_has_its_own_address_first_and_every_other_host_the_order_of_the_setting(
    host: str, urls: tuple[str, ...], tmp_path: Path
) -> None:
    given = {"CALLBACK_API_URL": "http://a:5000/, http://b:5000", "CALLBACK_API_HOST": host, "IMAGE_PORT": "5001"}
    found = loaded(given, tmp_path)
    assert (found.api_urls, found.api_url) == (urls, urls[0])
    assert found.image_base == urls[0].replace("5000", "5001")


@pytest.mark.parametrize("url", ["http://[::1", "http://x:99999", "http://", "x", "http://u:p@host", "http://h/?q=1"])
def test_what_is_no_plain_url_is_an_error(url: str, tmp_path: Path) -> None:
    found = problems_of({"CALLBACK_API_URL": url}, tmp_path)
    assert all(line.startswith("CALLBACK_API_URL: must") for line in found)


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://x:99999", "ftp://x", "x:5001", "http://", "http://u:p@x", "http://x#b", "http://x?a"]
)
def test_what_no_bmc_can_fetch_from_is_no_base_of_images(url: str, tmp_path: Path) -> None:
    found = problems_of({"IMAGE_BASE_URL": url}, tmp_path)
    assert [line.partition(" must")[0] for line in found] == ["IMAGE_BASE_URL:"]


@pytest.mark.parametrize(
    ("variables", "base"),
    [
        ({}, "http://127.0.0.1:5000"),
        ({"CALLBACK_API_URL": "http://api.example.net/"}, "http://api.example.net"),
        ({"IMAGE_PORT": "5001"}, "http://127.0.0.1:5001"),
        ({"IMAGE_PORT": "5001", "CALLBACK_API_HOST": "::1"}, "http://[::1]:5001"),
        ({"IMAGE_PORT": "5001", "IMAGE_BASE_URL": "https://images.example.net/"}, "https://images.example.net"),
    ],
)
def test_images_are_fetched_from_the_api_unless_they_have_a_port_or_an_address(
    variables: dict[str, str], base: str, tmp_path: Path
) -> None:
    found = loaded(variables, tmp_path)
    assert (found.image_base, found.effective("image_base_url")) == (base, base)


def test_asking_for_certificates_without_tls_is_loud_and_no_error(tmp_path: Path) -> None:
    (idle,) = idle_switches(loaded({"API_REQUIRE_CLIENT_CERT": "true", "API_USE_TLS": "false"}, tmp_path))
    assert idle.startswith("API_REQUIRE_CLIENT_CERT: is true, but has no effect")
    assert not list(idle_switches(loaded({}, tmp_path)))


def test_exceptions_for_readers_of_images_are_loud_and_no_error(tmp_path: Path) -> None:
    (exception,) = image_exceptions(loaded({"IMAGE_READERS": "192.0.2.0/24"}, tmp_path))
    assert exception.startswith("IMAGE_READERS: every host in 192.0.2.0/24")
    assert not list(image_exceptions(loaded({}, tmp_path)))


@pytest.mark.parametrize(
    ("readers", "wide"),
    [
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("10.20.0.1/32, 0.0.0.0/1,128.0.0.0/1", "0.0.0.0/1, 128.0.0.0/1"),
        ("2000::/3", "2000::/3"),
        ("10.0.0.0/8,fd00:77::/48", None),
        ("", None),
    ],
)
def test_the_whole_world_may_report_for_no_machine_in_production(readers: str, wide: str | None) -> None:
    for use in (Use.CALLBACKS, Use.IMAGES):
        settings = Settings.model_validate({"environment": "production", "image_readers": readers})
        found = [one for one in insecurities(settings, frozenset({use})) if one.startswith("IMAGE_READERS")]
        assert len(found) == (wide is not None)
        assert not found or f"{wide} is wider than any site" in found[0]
        assert not found or "10.20.0.1/32" in found[0]  # what to write
    assert not any("IMAGE_READERS" in one for one in insecurities(settings, frozenset({Use.REDIS})))


def test_images_need_a_port_of_their_own_where_everybody_is_asked_for_a_certificate(tmp_path: Path) -> None:
    asked = {"API_USE_TLS": "true", "API_REQUIRE_CLIENT_CERT": "true", "PKI_DIR": str(tmp_path)}
    with_image = asked | {"VALIDATION_IMAGE": "/srv/validation.iso"}

    def image_problems(variables: dict[str, str]) -> list[str]:
        return [line for line in problems_of(variables, tmp_path) if line.startswith("IMAGE_PORT")]

    assert "bringup images" in "".join(image_problems(with_image))
    assert not image_problems(with_image | {"IMAGE_PORT": "5001"})
    assert not image_problems(with_image | {"API_REQUIRE_CLIENT_CERT": "false"})
    assert not image_problems(asked)


def test_machines_that_need_a_certificate_must_be_able_to_get_one(tmp_path: Path) -> None:
    asked = {"API_USE_TLS": "true", "API_REQUIRE_CLIENT_CERT": "true", "PKI_DIR": str(tmp_path)}
    with_image = asked | {"VALIDATION_IMAGE": "/srv/validation.iso", "IMAGE_PORT": "5001"}

    def problems(variables: dict[str, str]) -> list[str]:
        return [line for line in problems_of(variables, tmp_path) if line.startswith("RUN_CERTIFICATE_COMMAND")]

    assert "docs/PKI.md" in "".join(problems(with_image))
    assert not problems(with_image | {"RUN_CERTIFICATE_COMMAND": "ssh ca.example.net issue {name}"})
    assert not problems(with_image | {"API_REQUIRE_CLIENT_CERT": "false"})
    assert not problems(asked)


@pytest.mark.parametrize("command", ["issue", "issue 'x {name}", "{name}", "issue name"])
def test_a_command_that_could_not_issue_to_a_name_is_refused(command: str, tmp_path: Path) -> None:
    found = problems_of({"RUN_CERTIFICATE_COMMAND": command}, tmp_path)
    assert [line.partition(":")[0] for line in found] == ["RUN_CERTIFICATE_COMMAND"]


def test_two_services_cannot_have_one_port(tmp_path: Path) -> None:
    found = problems_of({"IMAGE_PORT": "5000"}, tmp_path)
    assert [line.partition(":")[0] for line in found] == ["IMAGE_PORT"]


def test_the_setting_that_this_one_replaced_is_named_as_misspelt(tmp_path: Path) -> None:
    found = problems_of({"VALIDATION_IMAGE_URL": "http://x/a.iso"}, tmp_path)
    assert "did you mean VALIDATION_IMAGE?" in "".join(found)


def test_a_revocation_list_that_was_named_must_be_there(tmp_path: Path) -> None:
    found = problems_of({"API_USE_TLS": "true", "API_TLS_CRL": str(tmp_path / "absent.pem")}, tmp_path)
    assert any(line.startswith("API_TLS_CRL: ") for line in found)


def test_tls_without_its_files_is_an_error_that_names_each_file(tmp_path: Path) -> None:
    found = problems_of({"REDIS_USE_TLS": "true", "PKI_DIR": str(tmp_path)}, tmp_path)
    assert [line.partition(":")[0] for line in found] == ["REDIS_TLS_CERT", "REDIS_TLS_KEY", "REDIS_TLS_CA"]
    assert all(str(tmp_path) in line for line in found)


def test_production_refuses_plain_connections_and_weak_secrets(tmp_path: Path) -> None:
    found = problems_of({"ENVIRONMENT": "production", "API_TOKEN": "short"}, tmp_path)
    assert [line.partition(":")[0] for line in found] == [
        "REDIS_USE_TLS",
        "API_USE_TLS",
        "REDIS_PASSWORD",
        "API_TOKEN",
    ]


def test_there_is_one_way_around_the_refusal_of_production(tmp_path: Path) -> None:
    made = loaded({"ENVIRONMENT": "production", "ALLOW_INSECURE_PRODUCTION": "yes"}, tmp_path)
    assert made.environment == "production"


def test_the_example_file_is_the_one_that_the_settings_make() -> None:
    assert (ROOT / ".env.example").read_text() == example(), "regenerate .env.example: docs/settings.md says how"


def test_the_example_file_names_every_setting_and_loads_as_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "example.env"
    path.write_text(example())
    assert list(dotenv_values(path)) == list(variables())
    assert load({}, path).settings == Settings()


def test_the_documented_settings_are_the_ones_that_there_are() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == page(), "regenerate docs/settings.md: it says how"


def test_sentinels_are_read_as_hosts_and_ports(tmp_path: Path) -> None:
    text = "r1.example.net:26379, 192.0.2.7:26380,[fd00::7]:26381"
    assert loaded({"REDIS_SENTINELS": text}, tmp_path).sentinels == (
        ("r1.example.net", 26379),
        ("192.0.2.7", 26380),
        ("fd00::7", 26381),
    )


@pytest.mark.parametrize(
    "text", ["r1", "r1:", ":26379", "r1:0", "r1:65536", "fd00::7:26379", "[r1]:26379", "r1:x,r2:1"]
)
def test_a_sentinel_without_a_host_or_a_port_is_an_error(text: str, tmp_path: Path) -> None:
    (problem,) = problems_of({"REDIS_SENTINELS": text}, tmp_path)
    assert problem.startswith("REDIS_SENTINELS: must be hosts with their ports")


def test_a_sentinel_that_is_named_twice_is_an_error(tmp_path: Path) -> None:
    (problem,) = problems_of({"REDIS_SENTINELS": "r1:26379,r1:26379"}, tmp_path)
    assert problem == "REDIS_SENTINELS: must name each host and port once"


@pytest.mark.parametrize("password", ["", "short", "passwordpassword"])
def test_production_wants_a_strong_password_of_its_sentinels(password: str, tmp_path: Path) -> None:
    production = {"ENVIRONMENT": "production", "REDIS_SENTINEL_PASSWORD": password}
    problem = "REDIS_SENTINEL_PASSWORD: must be at least 16 characters"
    with_sentinels = problems_of(production | {"REDIS_SENTINELS": "r1:26379"}, tmp_path)
    assert any(line.startswith(problem) for line in with_sentinels)
    assert not any(line.startswith(problem) for line in problems_of(production, tmp_path))
