"""A change of several files dies at any point: the old ones are whole, or the new ones are."""

import errno
import itertools
import os
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pki import journal as changing
from pki.errors import Damaged, Unwritable
from pki.files import staged_name
from pki.journal import Journal
from pki.setup import SetupResult, set_up, start_over
from pki.store import Store
from tests.unit.pki import kit
from tests.unit.pki.kit import NOW, REDIS, WORKER


class Death(BaseException):
    """The process is gone: nothing may catch this."""


class Dies:
    """Lets ``steps`` steps pass, then dies at the next."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self, _name: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise Death


def survive_every_death(
    make: Callable[[Path], Store], act: Callable[[Store, Dies], object], after: Callable[[Store], object], root: Path
) -> int:
    """Die at the first step, the second, ... until one run lives; each time look, run again, and look again."""
    steps = 0
    while True:
        store = make(root / str(steps))
        before = kit.snapshot(store.root)
        try:
            act(store, Dies(steps))
        except Death:
            look(store, before)
        else:
            return steps
        after(store)
        assert kit.failures(store) == {}, f"after death at step {steps}"
        assert not list(store.root.rglob(".*.new"))
        steps += 1


def look(store: Store, before: dict[str, bytes]) -> None:
    """Before the decision every old file is as it was; after it every new one is there, in its place or beside it."""
    if not changing.interrupted(store.state):
        now = kit.snapshot(store.root)
        assert {name: now.get(name) for name in before} == before


def again(store: Store) -> SetupResult:
    return kit.set_up_again(store)


def test_setup_survives_death_at_every_step(tmp_path: Path) -> None:
    def act(store: Store, dies: Dies) -> None:
        with kit.open_session(store, step=dies) as session:
            set_up(session, kit.WANTED)

    assert survive_every_death(Store, act, again, tmp_path) > 20


def test_a_new_generation_survives_death_at_every_step(tmp_path: Path) -> None:
    def act(store: Store, dies: Dies) -> None:
        with kit.open_session(store, step=dies) as session:
            start_over(session, kit.WANTED)

    ready = kit.init_pki(tmp_path / "ready")
    assert survive_every_death(lambda root: kit.copy_of(ready, root), act, again, tmp_path) > 20


def test_an_old_generation_is_whole_in_place_or_aside_whenever_a_new_one_begins(tmp_path: Path) -> None:
    ready = kit.init_pki(tmp_path / "ready")
    old = {name: data for name, data in kit.snapshot(ready.root).items() if not name.startswith("ca/state")}
    for steps in itertools.count():
        store = kit.copy_of(ready, tmp_path / str(steps))
        lived = False
        try:
            with kit.open_session(store, step=Dies(steps)) as session:
                start_over(session, kit.WANTED)
            lived = True
        except Death:
            if not changing.interrupted(store.state):
                continue
        again(store)
        backup = next((store.state / "old").iterdir())
        assert kit.snapshot(backup) == old
        if lived:
            return


def test_a_change_that_is_not_decided_leaves_no_trace_after_the_next_command(store: Store) -> None:
    before = kit.snapshot(store.root)
    with pytest.raises(Death), kit.open_session(store, step=Dies(3)) as session:
        start_over(session, kit.WANTED)
    assert list(store.root.rglob(".*.new"))
    again(store)
    assert kit.snapshot(store.root) == before


def test_a_decided_change_is_seen_by_verify_and_finished_by_the_next_command(store: Store) -> None:
    with (
        pytest.raises(Death),
        kit.open_session(store, step=lambda name: die_at("switch redis-key.pem", name)) as session,
    ):
        start_over(session, kit.WANTED)
    assert "killed while it switched" in kit.failures(store)[("ca", "journal")]
    again(store)
    assert kit.failures(store) == {}


def die_at(name: str, now: str) -> None:
    if now == name:
        raise Death


def test_keys_are_private_from_their_first_byte(tmp_path: Path) -> None:
    def look_at_keys(_name: str) -> None:
        for path in tmp_path.rglob("*key.pem*"):
            assert stat.S_IMODE(path.lstat().st_mode) == 0o600, path

    store = Store(tmp_path / "pki")
    with kit.open_session(store, step=look_at_keys) as session:
        set_up(session, kit.WANTED)


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = kit.init_pki(tmp_path / "pki")
    finally:
        os.umask(before)
    modes = {path.relative_to(store.root): stat.S_IMODE(path.lstat().st_mode) for path in store.root.rglob("*")}
    assert kit.failures(store) == {}
    for path, mode in modes.items():
        public = path.name.endswith(("cert.pem", "bundle.pem", "crl.pem"))
        private = path == Path("ca/state")
        folder = (store.root / path).is_dir()
        assert mode == (0o700 if private else 0o755 if folder else 0o644 if public else 0o600), path


def test_a_full_disk_changes_nothing_and_is_reported(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = kit.snapshot(store.root)
    real, left = os.fsync, iter(range(4))

    def full(descriptor: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unwritable, match="No space left on device") as caught, kit.open_session(store) as session:
        start_over(session, kit.WANTED)
    assert "make room" in caught.value.hint
    assert kit.snapshot(store.root) == before


@pytest.mark.parametrize("kind", ["key", "certificate"])
def test_files_are_never_written_through_a_link(store: Store, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    path: Path = getattr(store.files(REDIS), kind)
    path.unlink()
    path.symlink_to(target)
    with pytest.raises(Damaged, match="symbolic link") as caught, kit.open_session(store) as session:
        start_over(session, kit.WANTED)
    assert caught.value.hint == f"rm {path}"
    assert target.read_text() == "precious"


def test_a_link_planted_where_a_key_is_staged_is_not_followed(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    staged_name(store.files(WORKER).key).symlink_to(target)
    with kit.open_session(store) as session:
        start_over(session, kit.WANTED)
    assert target.read_text() == "precious"
    assert kit.failures(store) == {}


def test_a_folder_that_is_a_link_is_refused(store: Store, tmp_path: Path) -> None:
    (store.root / "redis").rename(tmp_path / "elsewhere")
    (store.root / "redis").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Damaged, match="never written through"), kit.open_session(store) as session:
        start_over(session, kit.WANTED)


def test_a_folder_that_others_can_change_gets_no_key(store: Store) -> None:
    (store.root / "workers").chmod(0o775)
    with pytest.raises(Damaged, match="changed by its group") as caught, kit.open_session(store) as session:
        start_over(session, kit.WANTED)
    assert caught.value.hint == f"chmod go-w {store.root / 'workers'}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_renewed_file_belongs_to_whom_the_old_one_belonged_to(store: Store) -> None:
    files = store.files(REDIS)
    for path in (files.key.parent, files.key, files.certificate, files.bundle):
        os.chown(path, 12345, 23456)
    with kit.open_session(store) as session:
        start_over(session, kit.WANTED)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in vars(files).values()}
    assert owners == {(12345, 23456)}


def test_two_generations_in_one_second_are_both_kept(store: Store) -> None:
    for _ in range(2):
        with kit.open_session(store) as session:
            start_over(session, kit.WANTED)
    assert len(list((store.state / "old").iterdir())) == 2


def test_nothing_to_change_writes_nothing(store: Store) -> None:
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*") if path.name != "lock"}
    kit.set_up_again(store, NOW + timedelta(days=1))
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*") if path.name != "lock"} == before


def test_a_list_of_a_change_that_cannot_be_read_stops_everything(store: Store) -> None:
    changing.journal_of(store.state).write_text("{")
    with pytest.raises(Damaged, match="list of a change") as caught, kit.open_session(store):
        pass
    assert "rm " in caught.value.hint


def test_a_failed_change_removes_what_it_staged(store: Store) -> None:
    change = Journal(store.root, store.state)
    change.put(store.root / "redis" / "a.pem", b"a", secret=True)
    (store.root / "api" / "b.pem").symlink_to("nowhere")
    change.put(store.root / "api" / "b.pem", b"b")
    with pytest.raises(Damaged):
        change.commit()
    assert not list(store.root.rglob(".*.new"))
    assert not (store.root / "redis" / "a.pem").exists()
