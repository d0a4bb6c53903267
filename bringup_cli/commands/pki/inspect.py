"""``bringup pki show`` and ``verify``: what is here, and whether it is in order."""

from collections import Counter
from pathlib import Path

import click
from cryptography import x509

from bringup_cli.commands.pki.group import EXIT_FAILED, now, pki, settings_of, store_of
from bringup_cli.context import Context, Output, output_option, print_json, print_table
from pki import check, crl, errors, ledger, names
from pki.checks.pki import verify
from pki.show import Line, describe, state
from pki.store import Store, read_certificates
from selftest.hosts import hosts_of, roles_of


@pki.command()
@click.argument("what", required=False, metavar="[FILE|ROLE]")
@click.option("--all", "everything", is_flag=True, help="Everything ever issued, from the CA's ledger.")
@output_option
@click.pass_obj
def show(context: Context, what: str | None, *, everything: bool, output: Output) -> None:
    """Show what is here, or one certificate: a file, an identity, or 'ca'."""
    store = store_of(settings_of(context))
    if what is None:
        store.authorities()
        rows = _recorded(store) if everything else _overview(store)
        _show_rows(rows, output)
        return
    described = [_described(one, what) for one in read_certificates(_file(store, what))]
    if output == "json":
        print_json([{line.name: line.value for line in lines} for lines in described])
        return
    for lines in described:
        print_table(what, ("", ""), [(line.name, line.value) for line in lines])


def _described(certificate: x509.Certificate, what: str) -> list[Line]:
    try:
        return list(describe(certificate, now()))
    except Exception as error:  # noqa: BLE001 - a hostile encoding raises what it likes
        raise errors.Damaged(
            f"{what} holds a certificate that cannot be read: {type(error).__name__}: {error}"
        ) from None


def _file(store: Store, what: str) -> Path:
    if what == "ca":
        store.authorities()
        return store.ca_certificate
    is_file = what.endswith(".pem") or Path(what).is_file()
    return Path(what) if is_file else store.files(store.named(what)).certificate


def _overview(store: Store) -> list[dict[str, str]]:
    revoked = crl.known_revocations(store)
    here = [(str(one), certificate) for one in store.identities() if (certificate := store.certificate(one))]
    return [
        {
            "identity": name,
            "state": state(certificate, now(), revoked=revoked(certificate)),
            "until": f"{certificate.not_valid_after_utc:%Y-%m-%d}",
            "serial": ledger.serial_text(certificate.serial_number),
            "names": ", ".join(map(names.san_text, names.sans_of(certificate))),
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
        for entry in store.ledger().entries
    ]


def _show_rows(rows: list[dict[str, str]], output: Output) -> None:
    if output == "json":
        print_json(rows)
    else:
        columns = ("Identity", "State", "Until", "Serial", "Names")
        print_table("Certificates", columns, [tuple(row.values()) for row in rows])


@pki.command("verify")
@click.argument("identities", nargs=-1, metavar="[IDENTITY]...")
@output_option
@click.pass_obj
def verify_command(context: Context, identities: tuple[str, ...], output: Output) -> None:
    """Check files, chains, profile, names, expiry and revocation of everything here, or of the named."""
    settings = settings_of(context)
    store = store_of(settings)
    hosts = hosts_of(settings)
    chosen = [store.named(name) for name in identities]
    results = verify(store, hosts, now(), chosen, roles=roles_of(settings))
    if output == "json":
        print_json({"passed": not check.failed(results), "results": [_as_json(result) for result in results]})
    else:
        _report(results)
    if check.failed(results):
        raise SystemExit(EXIT_FAILED)


def _as_json(result: check.Result) -> dict[str, str]:
    return {
        "target": result.target,
        "check": result.check,
        "status": result.status.value,
        "message": result.message,
        "hint": result.hint,
    }


def _report(results: list[check.Result]) -> None:
    rows = [(one.target, one.title, one.status.value.upper(), one.message) for one in results]
    print_table("PKI", ("Of", "Check", "Result", "Observed"), rows)
    wrong = [one for one in results if one.hint and one.status in {check.Status.FAIL, check.Status.WARN}]
    for one in wrong:
        click.echo(f"{one.status.value}: {one.target}, {one.title.lower()}: {one.message}\n  fix: {one.hint}")
    counts = Counter(one.status for one in results)
    click.echo(", ".join(f"{counts[status]} {status.value}" for status in check.Status if counts[status]))
    click.echo("The PKI is NOT in order." if check.failed(results) else "The PKI is in order.")
