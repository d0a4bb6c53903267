"""`site init`, `site remove` and `site init` again: data, settings and keys stay, and roles are added."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bringup.errors import SettingsError
from bringup.settings import load
from bringup_cli.commands import site_units
from bringup_cli.root import cli
from bringup_cli.site import init, own_settings
from tests.unit.bringup_cli.site.fake_host import FakeHost

DATA = "var/lib/bringup/redis/data/appendonly.aof"
Command = Callable[..., Result]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeHost:
    made = FakeHost(monkeypatch, tmp_path / "host")
    monkeypatch.setattr(site_units, "HostLayout", lambda: made.layout)
    monkeypatch.setattr(site_units, "require_units", lambda *_, **_all: None)
    monkeypatch.setattr(site_units, "examine", lambda *_: None)
    monkeypatch.setattr("bringup_cli.commands.selftest.status_of", lambda _results: 0)
    monkeypatch.setattr(init, "own_address", lambda: "192.0.2.10")
    return made


def site(*words: str) -> Result:
    return CliRunner().invoke(cli, ["site", *words])


def init_once(host: FakeHost) -> dict[str, bytes]:
    """The files of a host that has run for a while."""
    assert site("init", "--name", "h1").exit_code == 0
    (host.folder / DATA).write_bytes(b"what Redis holds")
    (host.layout.config / "devices.toml").write_text("# the inventory\n")
    return host.files()


def test_data_settings_and_keys_stay_and_the_next_init_goes_on_with_them(host: FakeHost) -> None:
    before, state = init_once(host), host.state()
    assert site("remove").exit_code == 0
    assert (host.running, host.enabled) == ({}, set())
    kept = host.files()
    assert kept == {name: data for name, data in before.items() if not name.startswith("etc/systemd")}
    assert site("init", "--name", "h1").exit_code == 0
    assert host.state() == state
    changed = {name for name, data in host.files().items() if data != before[name]}
    assert changed <= {"etc/bringup/manifest.json", "etc/bringup/ca/ca/state/site.json"}  # they have the time


def test_a_dry_run_of_remove_changes_nothing(host: FakeHost) -> None:
    before = init_once(host)
    host.kill(None)
    done = site("remove", "--purge", "--dry-run")
    assert done.exit_code == 0
    assert "would do:  delete" in done.output
    assert (host.calls, host.files()) == ([], before)


def test_purge_deletes_data_and_keys(host: FakeHost) -> None:
    init_once(host)
    assert site("remove", "--purge", "--yes").exit_code == 0
    assert host.files() == {}


def test_a_dry_run_of_init_changes_nothing(host: FakeHost) -> None:
    done = site("init", "--name", "h1", "--dry-run")
    assert "would do:  write" in done.output
    assert (host.calls, host.files()) == ([], {})


def test_a_role_is_added_to_those_that_are_there(host: FakeHost) -> None:
    init_once(host)
    host.layout.validation_image.write_bytes(b"an image")
    assert site("init", "--name", "h1", "--role", "images").exit_code == 0
    assert {"bringup-images.service", "bringup-work@1.service"} <= set(host.running)
    for role in ("api", "images"):
        found = load({}, host.layout.config / f"{role}.env").settings
        assert (found.validation_image, found.image_port) == (host.layout.validation_image, 5001)
    assert site("remove").exit_code == 0
    assert site("init", "--name", "h1").exit_code == 0
    assert "bringup-images.service" in host.running


def test_images_are_not_served_without_an_image(host: FakeHost) -> None:
    init_once(host)
    done = site("init", "--name", "h1", "--role", "images")
    assert isinstance(done.exception, SettingsError)
    assert f"{host.layout.validation_image} is not there" in str(done.exception)
    assert "bringup-images.service" not in host.running


def test_the_port_that_a_person_has_chosen_stays(host: FakeHost) -> None:
    init_once(host)
    host.layout.validation_image.write_bytes(b"an image")
    text = host.layout.site_settings.read_text()
    host.layout.site_settings.write_text(text.replace("IMAGE_PORT=0", "IMAGE_PORT=8443"))
    assert not own_settings.has_image_settings(host.layout)
    assert site("init", "--name", "h1", "--role", "images").exit_code == 0
    assert load({}, host.layout.config / "images.env").settings.image_port == 8443


def test_a_host_that_has_joined_is_not_made_the_first_of_a_site(host: FakeHost) -> None:
    init_once(host)
    host.layout.site_settings.unlink()
    done = site("init", "--name", "h1")
    assert "this host has joined a site" in str(done.exception)
