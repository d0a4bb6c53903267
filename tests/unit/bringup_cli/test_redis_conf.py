"""What `bringup redis-conf` writes for replicas and sentinels, seen without a server."""

import hashlib
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bringup.redis_acl import REPLICATION_ROLES, ROLES, SENTINEL_ROLES, user_line
from bringup_cli.commands.redis_conf import redis_conf
from bringup_cli.context import Context

SETTINGS = {
    "REDIS_HOST": "r1.example.net",
    "REDIS_PASSWORD": "password-of-the-services",
    "REDIS_SENTINELS": "r1.example.net:26379,r2.example.net:26380,r3.example.net:26379",
    "REDIS_SENTINEL_PASSWORD": "password-of-the-sentinels",
}


def written(tmp_path: Path, *arguments: str, **more: str) -> dict[str, str]:
    result = run(tmp_path, *arguments, **more)
    assert result.exit_code == 0, result.output
    return {path.name: path.read_text() for path in (tmp_path / "redis").iterdir() if path.is_file()}


def run(tmp_path: Path, *arguments: str, **more: str) -> Result:
    env_file = tmp_path / "some.env"
    env_file.touch(mode=0o600)
    env_file.write_text("".join(f"{name}={value}\n" for name, value in (SETTINGS | more).items()))
    return CliRunner().invoke(redis_conf, ["--folder", str(tmp_path / "redis"), *arguments], obj=Context(env_file))


def tls_files(tmp_path: Path) -> dict[str, str]:
    """Settings with TLS need their files to be there; what is in them plays no role here."""
    for name in ("ca/ca-cert.pem", "workers/worker-cert.pem", "workers/worker-key.pem"):
        path = tmp_path / "pki" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return {"REDIS_USE_TLS": "true", "PKI_DIR": str(tmp_path / "pki")}


def test_the_first_master_follows_nobody_and_takes_no_writes_without_a_replica(tmp_path: Path) -> None:
    text = written(tmp_path)["redis.conf"]
    assert "replicaof" not in text
    assert "min-replicas-to-write 1\n" in text
    assert "masteruser replica\n" in text


def test_another_address_follows_the_first_master(tmp_path: Path) -> None:
    text = written(tmp_path, "--address", "r2.example.net:6380")["redis.conf"]
    assert "replicaof r1.example.net 6379\n" in text
    assert "replica-announce-ip r2.example.net\nreplica-announce-port 6380\n" in text
    assert "port 6380\n" in text


@pytest.mark.parametrize(
    ("arguments", "port"),
    [
        ((), 26379),
        (("--address", "r2.example.net:6379"), 26380),
        (("--address", "r2.example.net:6379", "--sentinel-address", "r2.example.net:7"), 7),
    ],
)
def test_the_sentinel_of_a_host_listens_as_redis_sentinels_has_it(
    tmp_path: Path, arguments: tuple[str, ...], port: int
) -> None:
    text = written(tmp_path, *arguments)["sentinel.conf"]
    assert f"\nport {port}\n" in text
    assert f"sentinel announce-port {port}\n" in text
    assert "sentinel monitor bringup r1.example.net 6379 2\n" in text


@pytest.mark.parametrize(("host", "names"), [("r1.example.net", "yes"), ("192.0.2.1", "no"), ("fd00::1", "no")])
def test_sentinels_hand_out_names_where_redis_has_a_name(tmp_path: Path, host: str, names: str) -> None:
    """The certificate of Redis is checked against what they hand out."""
    text = written(tmp_path, "--address", f"{f'[{host}]' if ':' in host else host}:6379", REDIS_HOST=host)[
        "sentinel.conf"
    ]
    assert f"sentinel resolve-hostnames {names}\nsentinel announce-hostnames {names}\n" in text


def test_with_tls_no_server_has_a_plain_port_and_each_shows_a_client_certificate(tmp_path: Path) -> None:
    files = written(tmp_path, **tls_files(tmp_path))
    for name in ("redis.conf", "sentinel.conf"):
        text = files[name]
        assert "port 0\n" in text
        assert "tls-replication yes\n" in text
        assert f'tls-client-cert-file "{tmp_path}/pki/workers/worker-cert.pem"' in text
    assert "masteruser replica\n" in files["redis.conf"]
    assert "sentinel auth-user bringup sentinel\n" in files["sentinel.conf"]


def test_the_users_of_replication_are_there_only_with_sentinels(tmp_path: Path) -> None:
    with_sentinels = written(tmp_path, **tls_files(tmp_path))["users.acl"]
    without = written(tmp_path, "--force", **tls_files(tmp_path), REDIS_SENTINELS="")["users.acl"]
    assert _users(with_sentinels) == {"default", "keeper", *ROLES, *REPLICATION_ROLES}
    assert _users(without) == {"default", "keeper", *ROLES}


def test_a_sentinel_knows_its_users_by_the_hash_of_their_passwords(tmp_path: Path) -> None:
    acl = written(tmp_path)["sentinel.acl"]
    assert _users(acl) == set(SENTINEL_ROLES)
    assert f"#{hashlib.sha256(SETTINGS['REDIS_SENTINEL_PASSWORD'].encode()).hexdigest()}" in acl
    assert SETTINGS["REDIS_SENTINEL_PASSWORD"] not in acl


def test_passwords_that_were_copied_from_the_first_host_are_kept(tmp_path: Path) -> None:
    tls = tls_files(tmp_path)
    first = written(tmp_path, **tls)
    again = written(tmp_path, "--force", "--address", "r2.example.net:6379", **tls)
    assert first["users.acl"] == again["users.acl"]
    assert first["sentinel.acl"] == again["sentinel.acl"]
    assert len({first[f"{role}.env"].partition("REDIS_PASSWORD=")[2] for role in [*ROLES, "replica", "peer"]}) == 6


def test_without_a_password_for_the_sentinels_nothing_is_written(tmp_path: Path) -> None:
    result = run(tmp_path, REDIS_SENTINEL_PASSWORD="")
    assert "REDIS_SENTINEL_PASSWORD: must be set with REDIS_SENTINELS" in str(result.exception)
    assert not (tmp_path / "redis").exists()


@pytest.mark.parametrize("address", ["r2", "r2:", ":6379", "r2:0", "a:1,b:2"])
def test_an_address_without_host_or_port_is_a_usage_error(tmp_path: Path, address: str) -> None:
    result = run(tmp_path, "--address", address)
    assert result.exit_code == 2
    assert "is no host with a port" in result.output


@pytest.mark.parametrize("bind", ["", "  ", "127.0.0.1\nrequirepass x", "127.0.0.1 # all"])
def test_a_bind_that_is_no_list_of_addresses_is_a_usage_error(tmp_path: Path, bind: str) -> None:
    """Redis takes an empty ``bind`` as every address of the host."""
    result = run(tmp_path, "--bind", bind)
    assert result.exit_code == 2
    assert "--bind" in result.output
    assert not (tmp_path / "redis").exists()


@pytest.mark.parametrize("bind", ["127.0.0.1 192.0.2.11", "* -::*", "-10.0.0.1", "redis.example.net", "::1"])
def test_every_bind_that_redis_takes_is_written(tmp_path: Path, bind: str) -> None:
    assert f"\nbind {bind}\n" in written(tmp_path, "--bind", bind)["redis.conf"]


def _users(acl: str) -> set[str]:
    return {line.split()[1] for line in acl.splitlines() if line.startswith("user ")}


def test_only_its_owner_may_enter_the_folder_where_redis_writes_passwords(tmp_path: Path) -> None:
    """Sentinel writes sentinel.conf anew as 0644 as soon as it starts, and so does Redis after a failover."""
    assert "chmod" not in run(tmp_path).output
    assert stat.S_IMODE((tmp_path / "redis").stat().st_mode) == 0o700


def test_a_folder_that_others_may_enter_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir(mode=0o755)
    assert f"chmod 700 {tmp_path / 'redis'}" in run(tmp_path).output


def after_a_failover_to(host: str, tmp_path: Path) -> None:
    path = tmp_path / "redis" / "sentinel.conf"
    path.write_text(path.read_text().replace("monitor bringup r1.example.net", f"monitor bringup {host}"))


def test_after_a_failover_nothing_is_written_that_follows_the_former_master(tmp_path: Path) -> None:
    address = ("--address", "r2.example.net:6379")
    before = written(tmp_path, *address)
    after_a_failover_to("r3.example.net", tmp_path)
    refused = run(tmp_path, *address, "--force")
    assert refused.exit_code != 0
    assert "REDIS_HOST=r3.example.net and REDIS_PORT=6379" in str(refused.exception)
    assert (tmp_path / "redis" / "redis.conf").read_text() == before["redis.conf"]


def test_after_a_failover_the_new_master_may_be_named(tmp_path: Path) -> None:
    written(tmp_path)
    after_a_failover_to("r3.example.net", tmp_path)
    now = written(tmp_path, "--address", "r1.example.net:6379", "--force", REDIS_HOST="r3.example.net")
    assert "replicaof r3.example.net 6379\n" in now["redis.conf"]
    assert "sentinel monitor bringup r3.example.net 6379 2\n" in now["sentinel.conf"]


@pytest.mark.parametrize("line", ["user replica on >x ~* +@all", "  user peer on >x ~* +get", "user caretaker off"])
def test_users_that_people_have_added_stay_whatever_their_name(tmp_path: Path, line: str) -> None:
    more = tls_files(tmp_path) | {"REDIS_SENTINELS": ""}
    written(tmp_path, **more)
    with (tmp_path / "redis" / "users.acl").open("a") as acl:
        acl.write(f"{line}\n")
    for _ in range(2):
        lines = written(tmp_path, "--force", **more)["users.acl"].splitlines()
        assert lines.count(line.strip()) == 1
        assert len(lines) == 1 + len(ROLES) + 2


def test_nobody_logs_in_as_the_default_user_who_may_replay_everything_at_the_start(tmp_path: Path) -> None:
    (line,) = (line for line in written(tmp_path, **tls_files(tmp_path))["users.acl"].splitlines() if "default" in line)
    assert line.split() == ["user", "default", "off", "resetpass", "~*", "&*", "+@all"]


PLAIN = {"REDIS_SENTINELS": ""}


@pytest.mark.parametrize("tls", [False, True])
def test_each_role_has_a_password_of_its_own_in_a_file_that_only_its_owner_reads(tmp_path: Path, *, tls: bool) -> None:
    files = written(tmp_path, **PLAIN, **(tls_files(tmp_path) if tls else {}), REDIS_PASSWORD="")
    passwords = {files[f"{role}.env"].partition("REDIS_PASSWORD=")[2] for role in ROLES} | {files["keeper.password"]}
    assert len(passwords) == len(ROLES) + 1
    for role in ROLES:
        own = hashlib.sha256(files[f"{role}.env"].partition("REDIS_PASSWORD=")[2].strip().encode()).hexdigest()
        (line,) = (one for one in files["users.acl"].splitlines() if one.startswith(f"user {role} "))
        assert [word for word in line.split() if word.startswith("#")] == [f"#{own}"]
    assert all(stat.S_IMODE((tmp_path / "redis" / name).stat().st_mode) == 0o600 for name in files)
    assert not any(password.strip() in files["users.acl"] for password in passwords)
    assert "user default off" in files["users.acl"]


def test_force_keeps_every_password(tmp_path: Path) -> None:
    before = written(tmp_path, **PLAIN)
    assert written(tmp_path, "--force", **PLAIN) == before


def test_force_keeps_the_user_of_a_host_with_the_present_rights_of_its_role(tmp_path: Path) -> None:
    written(tmp_path, **PLAIN)
    line = user_line("worker-w1", "worker", "a-password-of-w1")
    with (tmp_path / "redis" / "users.acl").open("a") as acl:
        acl.write(line.replace(" +rpush", "") + "\n")
    assert written(tmp_path, "--force", **PLAIN)["users.acl"].splitlines().count(line) == 1


@pytest.mark.parametrize("line", ["user worker-w1 off #00 ~x", "user guest-1 on #00 ~x +get", "user worker- on #00 ~x"])
def test_users_that_are_no_hosts_stay_as_they_are(tmp_path: Path, line: str) -> None:
    written(tmp_path, **PLAIN)
    with (tmp_path / "redis" / "users.acl").open("a") as acl:
        acl.write(f"{line}\n")
    assert line in written(tmp_path, "--force", **PLAIN)["users.acl"].splitlines()


def test_one_password_for_everybody_is_there_for_the_simplest_start(tmp_path: Path) -> None:
    files = written(tmp_path, "--shared-password", **PLAIN)
    digest = hashlib.sha256(SETTINGS["REDIS_PASSWORD"].encode()).hexdigest()
    assert f"user default on #{digest} ~* &* +@all" in files["users.acl"]
    assert set(files) == {"redis.conf", "users.acl", "keeper.password"}
    assert files["users.acl"].count(digest) == 1 + len(ROLES)


def test_a_shared_password_is_refused_with_tls(tmp_path: Path) -> None:
    refused = run(tmp_path, "--shared-password", **PLAIN, **tls_files(tmp_path))
    assert "a role that shares its password is no role" in str(refused.exception)
    assert not (tmp_path / "redis").exists()


def test_a_shared_password_must_be_set(tmp_path: Path) -> None:
    refused = run(tmp_path, "--shared-password", **PLAIN, REDIS_PASSWORD="")
    assert "REDIS_PASSWORD: must be set to be shared" in str(refused.exception)


def test_for_an_upgrade_each_role_takes_the_old_password_too_and_keeper_does_not(tmp_path: Path) -> None:
    files = written(tmp_path, "--accept-shared-password", **PLAIN, **tls_files(tmp_path))
    digest = hashlib.sha256(SETTINGS["REDIS_PASSWORD"].encode()).hexdigest()
    lines = {line.split()[1]: line for line in files["users.acl"].splitlines()}
    assert {name for name, line in lines.items() if digest in line} == set(ROLES)
    assert all(lines[role].count("#") == 2 for role in ROLES)
    after = written(tmp_path, "--force", **PLAIN, **tls_files(tmp_path))
    assert digest not in after["users.acl"]
    assert after["worker.env"] == files["worker.env"]


def test_small_hashes_are_stored_compactly(tmp_path: Path) -> None:
    """A run, a device and a job: with Redis's own limits they would take twice the memory."""
    lines = written(tmp_path)["redis.conf"].splitlines()
    assert "hash-max-listpack-entries 128" in lines
    assert "hash-max-listpack-value 4096" in lines
