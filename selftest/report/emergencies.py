"""What to do in an emergency, with the commands for this installation; and by which standards it is built."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from selftest.report.markup import code, table
from selftest.report.results import Results
from selftest.target_installation import TargetInstallation


@dataclass(frozen=True)
class Procedure:
    """What to do when something has happened. ``see``: the page of the documentation that explains it."""

    when: str
    first: str
    lines: tuple[str, ...]
    see: str


REFERENCES = (
    ("RFC 8446, RFC 5246", "TLS 1.3, TLS 1.2"),
    ("RFC 9325 (BCP 195)", "recommendations for the use of TLS: versions and ciphers; Mozilla's intermediate profile"),
    ("RFC 5280", "certificates, chains and lists of revoked certificates (CRL)"),
    ("RFC 9525", "how the name of a server is checked in its certificate"),
    ("RFC 7030", "EST, by which hosts renew their certificates"),
    ("RFC 6750", "bearer tokens, as the API takes them"),
    ("RFC 9457", "problems, as the API reports errors"),
    ("RFC 2131", "DHCP: the lease with which each run begins"),
    ("DSP0266", "Redfish, by which BMCs are driven"),
    ("FIPS 186-5, SEC 2", "ECDSA and the curve P-256 of our keys"),
    ("NIST SP 800-52 Rev. 2", "TLS in production"),
    ("NIST SP 800-57 Part 1 Rev. 5", "keys: their strength, their life, their replacement"),
)


def section(results: Results) -> list[str]:
    """The section of the report."""
    lines = ["", "## Emergencies", "", "Run them on the host that each names, in the folder of the installation."]
    for one in procedures(results.target):
        lines += ["", f"### {one.when}", "", one.first, "", *code(one.lines), "", f"More: {one.see}."]
    return [*lines, "", "## References", *table(("standard", "for"), REFERENCES)]


def procedures(target: TargetInstallation) -> Iterator[Procedure]:
    """Each emergency with its commands, by the settings of this installation."""
    keeper, key = _keeper(target), target.store.ca_key.relative_to(target.store.root.parent)
    parent = shlex.quote(str(target.store.root.parent))
    selftest = "BRINGUP_ENV_FILE=.env:redis/worker.env bringup selftest"
    yield Procedure(
        "A host or a key was stolen",
        "On the CA's host, with the name of the stolen identity in place of NAME (`bringup pki show` lists them; for a "
        "host that has joined a site `bringup site revoke HOST` does all of this). Redis reads no list of revoked "
        "certificates: what it had a password for gets a new one. Then give the services that remain the new password.",
        (
            "bringup pki revoke NAME --reason key-compromise",
            keeper,
            'keeper acl setuser worker resetpass ">$(openssl rand -hex 32)"',
            "keeper acl save",
            "keeper client kill user worker",
            f"{selftest} --only 5a --only 7.api.revoked",
        ),
        "docs/PKI.md, 8 Revocation; docs/hosts.md, Cut a host off",
    )
    yield Procedure(
        "The CA key is lost",
        "Nothing stops, and nothing can be renewed or revoked. On the CA's host, from the backup. Without one, replace "
        "the CA while its certificates are still good, as the page shows.",
        (f"tar -xzf pki-backup.tar.gz -C {parent} {shlex.quote(str(key))}", "bringup pki verify", "bringup pki crl"),
        "docs/PKI.md, 10 The CA key",
    )
    yield Procedure(
        "The CA key is stolen",
        "Its holder can be every host. On the CA's host; then carry the new files to every host, and restart Redis.",
        ("bringup pki setup --force", "bringup selftest --pre"),
        "docs/PKI.md, 10 The CA key",
    )
    yield Procedure(
        "A certificate has expired",
        "On the CA's host; the API and the workers take the new files by themselves. Redis does by the command, on its "
        "own host: `--insecure`, for until then it shows the certificate that has expired. Where the CA "
        "itself has expired: `bringup pki setup --force`.",
        ("bringup pki renew", keeper, _reload(target), f"{selftest} --only 5"),
        "docs/PKI.md, 7 Renewal",
    )
    yield Procedure(
        "Redis is down, or has lost its data",
        "Start it; put its append-only file back first if it is gone. While Redis has fewer changes than the API "
        "remembers, no machine is touched. Look at what there is; only if it is right, stop the API on one of its "
        "hosts, and start it once with the last command, which accepts it.",
        (
            "redis-server redis/redis.conf --daemonize yes",
            f"{selftest} --only 1",
            "bringup devices",
            "BRINGUP_ENV_FILE=.env:redis/api.env bringup api --accept-redis",
        ),
        "docs/running.md, When Redis has lost its data",
    )
    yield Procedure(
        "The API is down",
        "Nothing is lost: leases and jobs wait in Redis. On the API's host: what is wrong with its settings and files, "
        "then start it; its log names what is missing.",
        (
            "bringup config",
            "bringup selftest --pre",
            "BRINGUP_ENV_FILE=.env:redis/api.env bringup api",
            f"{selftest} --only 3",
        ),
        "docs/running.md",
    )


def _keeper(target: TargetInstallation) -> str:
    """The shell function by which the administrator of Redis asks it."""
    host, port = target.redis.address
    words = ["redis-cli", "-h", host, "-p", str(port)]
    if target.redis.use_tls:
        identity = target.redis.identity
        words += ["--tls", "--cacert", str(identity.ca), "--cert", str(identity.cert), "--key", str(identity.key)]
    return f'keeper() {{ REDISCLI_AUTH=$(cat redis/keeper.password) {shlex.join(words)} --user keeper "$@"; }}'


def _reload(target: TargetInstallation) -> str:
    """All three files in one command: Redis refuses a key that does not fit the certificate that it has."""
    root = target.store.root.absolute()
    files = {
        "tls-cert-file": root / "redis/redis-cert.pem",
        "tls-key-file": root / "redis/redis-key.pem",
        "tls-ca-cert-file": target.store.ca_certificate.absolute(),
    }
    return "keeper --insecure config set " + " ".join(
        f"{name} {shlex.quote(str(path))}" for name, path in files.items()
    )
