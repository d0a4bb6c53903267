"""Every setting that bringup knows, once: its name, type, default and what it is for.

The variable of a field is its name in capitals. ``.env.example``, ``docs/settings.md`` and ``bringup config`` are made
from this.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bringup.settings.types import Addresses, Networks, Pattern, Port, Roles, Seconds, Secret, Switch


class Fields(BaseModel):
    """The settings as they are set; what follows from several of them is in `bringup.settings.schema`."""

    # Built at first use: nothing uses it but `Settings`, which is built from it.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, title="bringup", defer_build=True)

    # General
    environment: Literal["development", "production"] = Field(
        "development", description="production refuses to start unless every connection is mutual TLS"
    )
    allow_insecure_production: Switch = Field(
        default=False,
        description="true: services start in production with insecure settings, and log a warning at every start",
    )
    state_dir: Path = Field(Path("var"), description="the folder of small files that services keep (checkpoints)")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="lowest level logged")
    log_format: Literal["console", "json"] = Field("console", description="console for people, json for machines")
    pki_dir: Path = Field(Path("pki"), description="the folder of certificates and keys")
    validity_days: int = Field(
        3650,
        ge=1,
        le=7300,
        description="days of new certificates; 90 is better once `bringup pki renew` runs daily",
    )
    ca_validity_days: int = Field(3650, ge=1, le=10950, description="days of a new CA; no certificate outlives its CA")
    crl_days: int = Field(
        7, ge=1, le=3650, description="days of a list of revoked certificates; later the API refuses every client"
    )
    renew_days: int = Field(30, ge=0, le=3650, description="`bringup pki renew` renews what ends in fewer days")
    ca_key_passphrase: Secret | None = Field(None, description="encrypts the CA key; empty: it is not encrypted")
    devices_file: Path = Field(Path("devices.toml"), description="the inventory: docs/inventory.md")

    host_roles: Roles = Field(
        "", description="what runs on this host, as worker,tailer; empty: everything. `bringup site enroll` writes it"
    )

    # Redis
    redis_host: str = Field(
        "127.0.0.1", min_length=1, description="address of the Redis server; with REDIS_SENTINELS of the first master"
    )
    redis_port: Port = Field(6379, description="its port; with TLS its tls-port")
    redis_db: int = Field(0, ge=0, le=1023, description="its database number")
    redis_username: str | None = Field(None, description="ACL user; empty: the default user")
    redis_password: Secret | None = Field(
        None, description="its password: `bringup redis-conf` makes one for each role, `bringup init` one to be shared"
    )
    redis_appendfsync: Literal["always", "everysec"] = Field(
        "always",
        description="when Redis writes to disk; `bringup redis-conf` writes it into redis.conf",
    )
    redis_use_tls: Switch = Field(default=False, description="mutual TLS on every Redis connection")
    redis_tls_cert: Path | None = Field(
        None, description="our client certificate; empty: PKI_DIR/workers/worker-cert.pem"
    )
    redis_tls_key: Path | None = Field(None, description="its key; empty: PKI_DIR/workers/worker-key.pem")
    redis_tls_ca: Path | None = Field(None, description="the only CA trusted; empty: PKI_DIR/ca/ca-cert.pem")
    redis_timeout_s: Seconds = Field(5, description="seconds for connecting to Redis, and for one answer")
    redis_sentinels: Addresses = Field(
        "", description="host:port of each Redis Sentinel, as r1:26379,r2:26379,r3:26379; empty: one Redis, without it"
    )
    redis_sentinel_name: str = Field(
        "bringup", pattern=r"^[A-Za-z0-9._-]+$", description="the name that the sentinels have for the master"
    )
    redis_sentinel_password: Secret | None = Field(
        None, description="password of the sentinels; `bringup init` makes one"
    )

    # Callback API
    callback_api_host: str = Field("127.0.0.1", min_length=1, description="address that the API listens on")
    callback_api_port: Port = Field(5000, description="its port")
    callback_api_url: str = Field(
        "",
        description="URL under which machines and workers reach the API; of several API hosts each, with commas "
        "between; empty: from host and port",
    )
    api_token: Secret | None = Field(
        None, description="bearer token of workers and operators; `bringup init` makes one"
    )
    operator_token: Secret | None = Field(
        None, description="a person's own token, for the commands that they run; empty: API_TOKEN"
    )
    operators_file: Path = Field(
        Path("operators.toml"), description="the people who may use the API; `bringup operator` writes it"
    )
    audit_file: Path | None = Field(
        None, description="who changed what, one JSON object a line; empty: STATE_DIR/audit.jsonl"
    )
    api_use_tls: Switch = Field(default=False, description="HTTPS, with client certificates for workers and operators")
    api_tls_cert: Path | None = Field(None, description="the API's certificate; empty: PKI_DIR/api/api-cert.pem")
    api_tls_key: Path | None = Field(None, description="its key; empty: PKI_DIR/api/api-key.pem")
    api_tls_ca: Path | None = Field(
        None, description="the only CA trusted, by both sides; empty: PKI_DIR/ca/ca-cert.pem"
    )
    api_tls_crl: Path | None = Field(
        None, description="revoked certificates, refused when the file is there; empty: PKI_DIR/ca/ca-crl.pem"
    )
    api_require_client_cert: Switch = Field(default=False, description="machines must present a certificate too")
    run_certificate_command: str = Field(
        "", description="prints certificate and key of the run {name}, for machines that must present one: docs/PKI.md"
    )
    api_client_cert: Path | None = Field(
        None, description="our client certificate; empty: PKI_DIR/workers/worker-cert.pem"
    )
    api_client_key: Path | None = Field(None, description="its key; empty: PKI_DIR/workers/worker-key.pem")
    api_workers: int = Field(2, ge=1, le=64, description="processes that serve the API")
    api_threads: int = Field(16, ge=1, le=256, description="requests that each of them works on at the same time")
    api_timeout_s: Seconds = Field(30, description="seconds for one answer of the API")
    api_header_timeout_s: Seconds = Field(
        10, description="seconds for a client to send its request header; a body has more, by its size"
    )
    api_stall_timeout_s: Seconds = Field(
        20, description="seconds for a client to read an answer, or the next 64 KiB of an image"
    )
    # 10,000 machines behind one address that send a heartbeat a minute leave 1,700 connections open over 2 processes.
    # With more, the longest silent one is closed, which a machine that still wants something does not notice.
    api_connections_per_address: int = Field(
        1000,
        ge=10,
        le=100_000,
        description="open connections of one client address in each process; one more closes the one that was silent "
        "for longest",
    )
    validation_image: Path | None = Field(
        None, description="the ISO of scripts/iso/build, which real machines boot; the API serves it, each run its own"
    )
    image_base_url: str = Field(
        "", description="URL under which BMCs reach the images; empty: the API's, with IMAGE_PORT where that is set"
    )
    image_port: int = Field(
        0, ge=0, le=65535, description="port of `bringup images`, which serves images alone; 0: the API serves them"
    )
    image_readers: Networks = Field(
        "",
        description="networks besides the BMCs' own addresses that are given a run's parameters with its image, as "
        "10.77.0.0/16: a host that has them can report for the machine; docs/iso.md",
    )
    lldp_wait_s: Seconds = Field(35, description="seconds that a booted machine waits for LLDP of its switches")

    # Console
    console_host: str = Field("127.0.0.1", min_length=1, description="address that `bringup console` listens on")
    console_port: Port = Field(5002, description="its port, for browsers: https with API_USE_TLS=true")
    console_token: Secret | None = Field(
        None, description="the console's own token: `bringup operator add NAME --role console` makes one"
    )
    console_tls_cert: Path | None = Field(
        None, description="the console's certificate for browsers; empty: PKI_DIR/issued/web/console-cert.pem"
    )
    console_tls_key: Path | None = Field(None, description="its key; empty: PKI_DIR/issued/web/console-key.pem")
    console_require_client_cert: Switch = Field(
        default=False, description="people sign in with their certificate in the browser, besides their token"
    )

    # DHCP tailer
    dhcp_source: Literal["dnsmasq-log", "dnsmasq-leases", "isc-leases", "isc-log", "kea-csv", "kea-log", "jsonl"] = (
        Field("dnsmasq-log", description="format of the file DHCP_PATH: docs/dhcp.md")
    )
    dhcp_path: Path = Field(Path("/var/log/dnsmasq.log"), description="the file that the DHCP server writes")
    dhcp_networks: Networks = Field(
        "", description="only leases of these networks, as 10.77.0.0/16,fd00:77::/64; empty: of all"
    )
    dhcp_vendor_pattern: Pattern = Field(
        "", description="only leases whose vendor class matches this regular expression (RE2), anywhere in it"
    )
    dhcp_inventory_only: Switch = Field(default=False, description="only leases of machines in DEVICES_FILE")
    lease_max_age_h: int = Field(
        24,
        ge=0,
        le=87_600,
        description="on a first start, hours since a lease in the file began, beyond which it is stale; 0: none is",
    )

    # Workers
    worker_concurrency: int = Field(16, ge=4, le=256, description="threads of one worker process")
    power_off_after_run: Switch = Field(default=True, description="switch a machine off when its run has ended")
    bmc_credentials_dir: Path = Field(
        Path("credentials"), description="BMC credentials, one file for each name in the inventory: docs/redfish.md"
    )

    # Time and limits
    boot_timeout_s: Seconds = Field(1800, description="seconds from power-on to the first call of the machine")
    run_timeout_s: Seconds = Field(7200, description="seconds from the decision to the report")
    heartbeat_interval_s: Seconds = Field(60, description="seconds between two heartbeats of a machine, +-50 %")
    heartbeat_lost_s: Seconds = Field(300, description="seconds without a heartbeat until a machine is lost")
    max_concurrent_boots: int = Field(20, ge=1, le=100_000, description="machines booting at once")
    bmc_connect_timeout_s: Seconds = Field(30, description="seconds for connecting to a BMC")
    bmc_read_timeout_s: Seconds = Field(60, description="seconds for one answer of a BMC")
    bmc_power_settle_s: int = Field(
        0, ge=0, le=3600, description="seconds until a BMC must show a new power state; 0: by model, docs/redfish.md"
    )
    bmc_media_s: int = Field(
        0, ge=0, le=3600, description="seconds until a BMC must show an insert or eject; 0: by model, docs/redfish.md"
    )
    bmc_tries: int = Field(5, ge=1, le=20, description="how often a BMC is tried before the run fails")
    retry_min_s: Seconds = Field(5, description="seconds before a job is tried again the first time; doubled each time")
    retry_max_s: Seconds = Field(30, description="most seconds before a job is tried again")
    changes_keep_days: int = Field(7, ge=1, le=365, description="days that the feed of changes goes back")
    site_name: str = Field(
        "bringup", pattern=r"^[A-Za-z0-9._-]{1,64}$", description="name of this site, as the feed of changes shows it"
    )
    run_keep_days: int = Field(90, ge=1, le=3650, description="days that ended runs are kept")
