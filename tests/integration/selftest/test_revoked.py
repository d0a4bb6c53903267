"""The refusal of a revoked certificate is looked at only where one was revoked."""

from datetime import UTC, datetime
from pathlib import Path

from pki.check import Status
from pki.crl import revoke
from selftest.checks import refusals
from selftest.target_installation import TargetInstallation
from tests.conftest import MakeSettings, free_port
from tests.unit.pki import kit

NOW = datetime.now(UTC)


def test_where_nothing_was_revoked_there_is_nothing_to_refuse(make_settings: MakeSettings, tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki", NOW)
    settings = make_settings(callback_api_port=free_port())
    target = TargetInstallation(settings.model_copy(update={"api_use_tls": True, "pki_dir": store.root}))
    assert refusals._revoked(target).status is Status.INFO
    with kit.open_session(store, NOW) as session:
        revoke(session, "worker", "superseded")
    assert refusals._revoked(target).status is not Status.INFO
