"""``bringup pki show``."""

from pathlib import Path

import click
from cryptography import x509

from bringup_cli.commands.pki.group import now, pki, settings_of, store_of
from bringup_cli.context import Context
from bringup_cli.output import Output, output_option, show_json, show_table
from pki.errors import Damaged
from pki.ledger import serial_text
from pki.names import san_text, sans_of
from pki.revocation import known_revocations
from pki.show import Line, describe, state
from pki.store import Store, read_certificates


@pki.command()
@click.argument("what", required=False, metavar="[FILE|ROLE]")
@click.option("--all", "everything", is_flag=True, help="Everything ever issued, from the CA's record.")
@output_option
@click.pass_obj
def show(context: Context, what: str | None, *, everything: bool, output: Output) -> None:
    """Show what is here, or one certificate: a file, an identity, or 'ca'."""
    store = store_of(settings_of(context))
    if what is None:
        store.authorities()
        rows = _recorded(store) if everything else _overview(store)
        _tell(rows, output)
        return
    described = [_described(one, what) for one in read_certificates(_file(store, what))]
    if output == "json":
        show_json([{line.name: line.value for line in lines} for lines in described])
        return
    for lines in described:
        show_table(what, ("", ""), [(line.name, line.value) for line in lines])


def _described(certificate: x509.Certificate, what: str) -> list[Line]:
    try:
        return list(describe(certificate, now()))
    except Exception as error:  # noqa: BLE001 - a hostile encoding raises what it likes
        raise Damaged(f"{what} holds a certificate that cannot be read: {type(error).__name__}: {error}") from None


def _file(store: Store, what: str) -> Path:
    if what == "ca":
        store.authorities()
        return store.ca_certificate
    is_file = what.endswith(".pem") or Path(what).is_file()
    return Path(what) if is_file else store.files(store.named(what)).certificate


def _overview(store: Store) -> list[dict[str, str]]:
    revoked = known_revocations(store)
    here = [(str(one), certificate) for one in store.identities() if (certificate := store.certificate(one))]
    return [
        {
            "identity": name,
            "state": state(certificate, now(), revoked=revoked(certificate)),
            "until": f"{certificate.not_valid_after_utc:%Y-%m-%d}",
            "serial": serial_text(certificate.serial_number),
            "names": ", ".join(map(san_text, sans_of(certificate))),
        }
        for name, certificate in [*(("ca", one) for one in store.authorities()), *here]
    ]


def _recorded(store: Store) -> list[dict[str, str]]:
    return [
        {
            "identity": str(entry.identity or "unknown"),
            "state": f"revoked {entry.revoked_at:%Y-%m-%d}: {entry.reason}" if entry.revoked_at else "issued",
            "until": f"{entry.not_after:%Y-%m-%d}",
            "serial": entry.serial,
            "names": ", ".join(entry.sans),
        }
        for entry in store.record().entries
    ]


def _tell(rows: list[dict[str, str]], output: Output) -> None:
    if output == "json":
        show_json(rows)
    else:
        columns = ("Identity", "State", "Until", "Serial", "Names")
        show_table("Certificates", columns, [tuple(row.values()) for row in rows])
