"""The quadlets run what compose.yaml runs: the same commands, with the same folders and the same restrictions."""

import re
from pathlib import Path

import pytest

from bringup import __version__

FOLDER = Path(__file__).parents[3] / "deploy/containers"
COMPOSE = (FOLDER / "compose.yaml").read_text()
SERVICES = ("redis", "api", "images", "console", "worker", "tailer")


def compose(service: str) -> str:
    """The lines of one service."""
    services = COMPOSE.partition("\nservices:\n")[2].partition("\nvolumes:\n")[0]
    names_and_lines = re.split(r"^  (\w+):$", services, flags=re.MULTILINE)[1:]
    return dict(zip(names_and_lines[::2], names_and_lines[1::2], strict=True))[service]


def quadlet(service: str) -> dict[str, list[str]]:
    """The values of each name."""
    found: dict[str, list[str]] = {}
    for line in (FOLDER / f"quadlet/bringup-{service}.container").read_text().splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting:
            found.setdefault(name, []).append(value)
    return found


def mounts(lines: list[str]) -> set[str]:
    """Where each volume is in the container, with its mode."""
    return {line.partition(":/")[2] for line in lines}


@pytest.mark.parametrize("service", SERVICES)
def test_a_quadlet_mounts_what_compose_mounts(service: str) -> None:
    assert mounts(quadlet(service)["Volume"]) == mounts(re.findall(r"^      - (\S+)$", compose(service), re.MULTILINE))


@pytest.mark.parametrize("service", SERVICES)
def test_a_quadlet_reads_the_settings_that_compose_names(service: str) -> None:
    (value,) = quadlet(service)["Environment"]
    assert value.partition("=")[2] in compose(service)


@pytest.mark.parametrize("service", SERVICES)
def test_a_quadlet_is_confined_as_compose_confines(service: str) -> None:
    found = quadlet(service)
    assert (found["ReadOnly"], found["DropCapability"], found["NoNewPrivileges"]) == (["true"], ["all"], ["true"])
    assert (found["User"], found["Group"], found["Network"]) == (["10001"], ["10001"], ["host"])
    assert all(one in COMPOSE for one in ("read_only: true", "cap_drop: [ALL]", "[no-new-privileges]", '"10001:10001"'))
    assert "<<: *service" in compose(service)


@pytest.mark.parametrize("service", SERVICES)
def test_a_quadlet_gives_a_service_as_long_to_stop_as_compose_and_systemd_gives_podman_longer(service: str) -> None:
    found = quadlet(service)
    (seconds,) = re.findall(r"--stop-timeout=(\d+)", " ".join(found["PodmanArgs"]))
    (compose_seconds,) = re.findall(r"stop_grace_period: (\d+)s", COMPOSE)
    assert int(seconds) >= int(compose_seconds)
    assert int(found["TimeoutStopSec"][0]) > int(seconds)


@pytest.mark.parametrize("service", SERVICES)
def test_a_quadlet_is_restarted_for_ever(service: str) -> None:
    found = quadlet(service)
    assert (found["Restart"], found["StartLimitIntervalSec"]) == (["always"], ["0"])


def test_every_file_names_the_image_of_this_version() -> None:
    image = f"localhost/bringup:{__version__}"
    assert image in COMPOSE
    assert [quadlet(service)["Image"] for service in SERVICES] == [[image]] * len(SERVICES)
