"""A person accepts what Redis holds after a restore: by an option, or by the environment of a service unit."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from bringup_cli.commands import services
from bringup_cli.root import cli


@pytest.mark.parametrize(
    ("options", "environment", "accepted"),
    [
        ([], {}, [False]),
        (["--accept-redis"], {}, [True]),
        ([], {"ACCEPT_REDIS": "1"}, [True]),
        ([], {"ACCEPT_REDIS": "0"}, [False]),
    ],
)
def test_the_api_accepts_redis_only_when_a_person_asks_for_it(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    options: list[str],
    environment: dict[str, str],
    accepted: list[bool],
) -> None:
    started: list[bool] = []
    server = SimpleNamespace(serve=lambda _settings, *, accept_redis, share_port: started.append(accept_redis))
    monkeypatch.setattr(services, "import_module", lambda _name: server)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("API_TOKEN=0123456789abcdef0123456789abcdef\n")
    (tmp_path / ".env").chmod(0o600)
    done = CliRunner().invoke(cli, ["api", *options], env=environment, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert started == accepted
