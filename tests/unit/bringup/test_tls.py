"""The context of a connection follows the certificate files, and a broken file never takes its place."""

import io
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bringup import log, tls
from bringup.errors import SettingsError
from bringup.peer_role import ServerRole
from pki.names import STANDARD
from pki.renew import apply, plan
from tests.conftest import MakeSettings
from tests.logs import logging_restored
from tests.unit.pki.kit import init_pki, open_session

WORKER = STANDARD[1]
RETRY_S = 1.0
Break = Callable[[Path], None]


class Side:
    """A client's files, and a cache whose clock and builds a test controls."""

    def __init__(self, root: Path) -> None:
        self.store = init_pki(root)
        files = self.store.files(WORKER)
        self.files = (self.store.ca_certificate, files.certificate, files.key)
        self.now = 0.0
        self.builds = 0
        self._cache = tls.ContextCache(lambda: self.now)

    def get(self) -> ssl.SSLContext:
        """The context for a connection that is made now."""
        return self._cache.get(self.files, lambda: self._build())  # noqa: PLW0108 - a test replaces it later

    def _build(self) -> ssl.SSLContext:
        self.builds += 1
        return tls.ClientContexts().get(ServerRole.REDIS, *self.files)

    def renew(self, *, rekey: bool = False) -> None:
        """As `bringup pki renew worker --force` does."""
        with open_session(self.store) as session:
            apply(session, list(plan(session, [WORKER], renew_days=30, force=True, rekey=rekey)), rekey=rekey)
            session.commit()


@pytest.fixture
def side(tmp_path: Path) -> Side:
    return Side(tmp_path / "pki")


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    with logging_restored():
        log.configure("INFO", "console", stream)
        yield stream


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _swap_for_another_key(path: Path) -> None:
    other = init_pki(path.parent.parent.parent / "other")
    path.write_bytes(other.files(WORKER).key.read_bytes())


def test_one_context_serves_all_connections_while_the_files_stay(side: Side) -> None:
    assert {side.get() for _ in range(50)} == {side.get()}
    assert side.builds == 1


@pytest.mark.parametrize("rekey", [False, True])
def test_the_next_connection_after_a_renewal_uses_the_new_files(
    side: Side, logged: io.StringIO, *, rekey: bool
) -> None:
    before = side.get()
    side.renew(rekey=rekey)
    assert side.get() is not before
    assert str(side.files[1]) in logged.getvalue()


def test_a_file_that_changes_only_its_mode_is_read_again(side: Side) -> None:
    side.get()
    side.files[2].chmod(0o640)
    side.get()
    assert side.builds == 2


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("damage", [_empty, _half, Path.unlink])
def test_the_last_good_files_serve_while_one_is_broken(side: Side, which: int, damage: Break) -> None:
    good, content = side.get(), side.files[which].read_bytes()
    damage(side.files[which])
    assert side.get() is good
    side.files[which].write_bytes(content)
    assert side.get() is not good


def test_the_last_good_files_serve_while_key_and_certificate_do_not_match(side: Side) -> None:
    good = side.get()
    _swap_for_another_key(side.files[2])
    assert side.get() is good


def test_a_broken_file_is_logged_once_and_its_repair_too(side: Side, logged: io.StringIO) -> None:
    side.get()
    content = side.files[1].read_bytes()
    _empty(side.files[1])
    for second in range(5):
        side.now = second * RETRY_S
        side.get()
    assert logged.getvalue().count("the last good ones stay in use") == 1
    assert str(side.files[1]) in logged.getvalue()
    side.files[1].write_bytes(content)
    side.get()
    assert logged.getvalue().count("new certificate files are in use") == 1
    _empty(side.files[1])
    side.get()
    assert logged.getvalue().count("the last good ones stay in use") == 2


def test_a_broken_file_is_not_read_for_every_connection(side: Side) -> None:
    side.get()
    _empty(side.files[1])
    for _ in range(50):
        side.get()
    assert side.builds == 2


def test_files_that_could_not_be_read_for_a_moment_are_read_again(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    before = side.get()
    side.renew()
    with monkeypatch.context() as patched:
        patched.setattr(Side, "_build", _fail)  # the process has no file descriptor left
        assert side.get() is before
        side.now += RETRY_S / 2
        assert side.get() is before
    assert side.get() is before
    side.now += RETRY_S / 2
    assert side.get() is not before


def _fail(_side: Side) -> ssl.SSLContext:
    raise SettingsError(["Too many open files"])


@pytest.mark.parametrize("which", [0, 1, 2])
def test_files_that_never_were_good_are_an_error_that_names_them(side: Side, which: int) -> None:
    content = side.files[which].read_bytes()
    side.files[which].unlink()
    for _ in range(2):
        with pytest.raises(SettingsError, match=f"{side.files[which].name}.*bringup pki setup"):
            side.get()
    side.files[which].write_bytes(content)
    side.get()


def test_a_client_trusts_our_ca_alone_and_checks_names(side: Side) -> None:
    context = side.get()
    assert len(context.get_ca_certs()) == 1
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.fixture
def served(side: Side, make_settings: MakeSettings) -> tls.ServerContexts:
    """The API's own contexts, for the PKI of ``side``."""
    return tls.ServerContexts(make_settings(api_use_tls="true", pki_dir=side.store.root))


def checks_revocation(context: ssl.SSLContext) -> bool:
    return bool(context.verify_flags & ssl.VERIFY_CRL_CHECK_LEAF)


def test_a_list_that_was_there_stays_in_force_when_it_is_deleted(side: Side, served: tls.ServerContexts) -> None:
    assert checks_revocation(served.get())
    side.store.ca_crl.unlink()
    assert checks_revocation(served.get())


def test_a_list_that_was_deleted_stays_in_force_when_the_certificate_is_renewed_then(
    side: Side, served: tls.ServerContexts
) -> None:
    served.get()
    side.store.ca_crl.unlink()
    side.renew()
    side.files[0].touch()
    assert checks_revocation(served.get())


def test_a_list_that_appears_is_in_force_from_then_on(side: Side, served: tls.ServerContexts) -> None:
    content = side.store.ca_crl.read_bytes()
    side.store.ca_crl.unlink()
    assert not checks_revocation(served.get())
    side.store.ca_crl.write_bytes(content)
    assert checks_revocation(served.get())


def test_a_list_that_cannot_be_read_lets_nobody_in(side: Side, served: tls.ServerContexts) -> None:
    content = side.store.ca_crl.read_bytes()
    side.store.ca_crl.unlink()
    served.get()
    side.store.ca_crl.write_bytes(b"no list")
    with pytest.raises(SettingsError, match="revocation list"):
        served.get()
    side.store.ca_crl.write_bytes(content)
    assert checks_revocation(served.get())


def tls12_ciphers(context: ssl.SSLContext) -> set[str]:
    return {one["name"] for one in context.get_ciphers() if one["protocol"] == "TLSv1.2"}


def test_both_sides_offer_forward_secrecy_and_authenticated_encryption_alone(
    side: Side, served: tls.ServerContexts
) -> None:
    for context in (side.get(), served.get()):
        assert tls12_ciphers(context)
        for name in tls12_ciphers(context):
            assert name.startswith("ECDHE-")
            assert "GCM" in name or "CHACHA20" in name
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("required", "asks", "mode"),
    [
        ("true", True, ssl.CERT_REQUIRED),
        ("false", True, ssl.CERT_OPTIONAL),
        ("true", False, ssl.CERT_NONE),
        ("false", False, ssl.CERT_NONE),
    ],
)
def test_who_must_have_a_certificate(
    side: Side, make_settings: MakeSettings, *, required: str, asks: bool, mode: ssl.VerifyMode
) -> None:
    settings = make_settings(
        api_use_tls="true",
        pki_dir=side.store.root,
        api_require_client_cert=required,
        run_certificate_command="bringup pki issue run --name {name} --stdout",
    )
    assert tls.ServerContexts(settings, asks_clients=asks).get().verify_mode is mode


@pytest.mark.parametrize(("asks", "lines"), [(True, 1), (False, 0)])
def test_an_expired_list_is_logged_once_by_those_who_enforce_it(
    side: Side, make_settings: MakeSettings, logged: io.StringIO, *, asks: bool, lines: int
) -> None:
    settings = make_settings(api_use_tls="true", pki_dir=side.store.root)  # the list of `found` ended in 2026
    served = tls.ServerContexts(settings, asks_clients=asks)
    for _ in range(3):
        served.get()
    assert logged.getvalue().count("(CRL) has expired") == lines
