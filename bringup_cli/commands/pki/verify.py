"""``bringup pki verify``."""

from collections import Counter

import click

from bringup_cli.commands.pki.group import EXIT_FAILED, now, pki, settings_of, store_of
from bringup_cli.context import Context
from bringup_cli.output import Output, output_option, show_json, show_table
from pki.check import Result, Status, failed
from pki.checks import pki as pki_checks
from selftest.hosts import hosts_of


@pki.command()
@click.argument("identities", nargs=-1, metavar="[IDENTITY]...")
@output_option
@click.pass_obj
def verify(context: Context, identities: tuple[str, ...], output: Output) -> None:
    """Check files, chains, profile, names, expiry and revocation of everything here, or of the named."""
    settings = settings_of(context)
    store = store_of(settings)
    hosts = hosts_of(settings)
    results = pki_checks.verify(store, hosts, now(), [store.named(name) for name in identities])
    if output == "json":
        show_json({"passed": not failed(results), "results": [_record(result) for result in results]})
    else:
        _report(results)
    if failed(results):
        raise SystemExit(EXIT_FAILED)


def _record(result: Result) -> dict[str, str]:
    return {
        "target": result.target,
        "check": result.check,
        "status": result.status.value,
        "message": result.message,
        "hint": result.hint,
    }


def _report(results: list[Result]) -> None:
    rows = [(one.target, one.title, one.status.value.upper(), one.message) for one in results]
    show_table("PKI", ("Of", "Check", "Result", "Observed"), rows)
    wrong = [one for one in results if one.hint and one.status in {Status.FAIL, Status.WARN}]
    for one in wrong:
        click.echo(f"{one.status.value}: {one.target}, {one.title.lower()}: {one.message}\n  fix: {one.hint}")
    counts = Counter(one.status for one in results)
    click.echo(", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status]))
    click.echo("The PKI is NOT in order." if failed(results) else "The PKI is in order.")
